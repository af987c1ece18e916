"""A large pool of servers, gathered from DNS little by little (RFC 9523, section 3.1).

Who answers for a name once must not own the pool: of each answer a few addresses are taken, however
many it has, and names are looked up again and again, hours apart. (A single forged answer with 89
addresses would otherwise outnumber a day of honest ones.)
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass

from chronotick.config.servers import ServerName
from chronotick.ntp.address import Endpoint, ResolveError, resolve
from chronotick.ntp.asking import Asker
from chronotick.ntp.source import asker_of

logger = logging.getLogger("chronotick.ntp.watchdog")

TAKEN_AT_ONCE = 4
"""Addresses taken from one answer for one name, which is as many as honest pools give."""
GIVEN_UP_AFTER = 3
"""Questions in a row without a valid answer."""
REFUSED_S = 24 * 3600.0
"""For how long who sent a kiss code is left alone."""


@dataclass(slots=True)
class Member:
    """One server of the pool.

    Attributes:
        endpoint: its address.
        asker: asks it.
        unanswered: questions without a valid answer since the last one.
    """

    endpoint: Endpoint
    asker: Asker
    unanswered: int = 0

    @property
    def id(self) -> str:
        """Identifier, as of a source."""
        return str(self.endpoint)


class ServerPool:
    """The servers gathered so far.

    Args:
        names: where they come from.
        size: how many there may be.
        taken: identifiers of servers that are not to be in it: those the clock is measured by.
        lookup: turns a name into addresses.
        asker: makes who asks an address.
    """

    def __init__(
        self,
        names: Sequence[ServerName],
        size: int,
        *,
        taken: Callable[[], Collection[str]] = frozenset,
        lookup: Callable[[ServerName], Awaitable[list[Endpoint]]] = resolve,
        asker: Callable[[Endpoint], Asker] = asker_of,
    ) -> None:
        self._names = tuple(names)
        self._size = size
        self._taken = taken
        self._lookup = lookup
        self._asker = asker
        self._members: dict[str, Member] = {}
        self._refused: dict[str, float] = {}  # and when, by the loop's clock
        self._errors: dict[ServerName, str] = {}

    def __len__(self) -> int:
        return len(self._members)

    @property
    def members(self) -> list[Member]:
        """All there are now."""
        return list(self._members.values())

    @property
    def error(self) -> str:
        """Why a name gives no servers, empty if all do."""
        return next(iter(self._errors.values()), "")

    async def gather(self) -> None:
        """Look the names up and take in what is new; nothing happens where the pool is full."""
        self._forgive()
        for name in self._names:
            if len(self) >= self._size:
                return
            self._take(name, await self._found(name))

    async def _found(self, name: ServerName) -> list[Endpoint]:
        try:
            found = await self._lookup(name)
        except ResolveError as error:
            self._complain(name, error.reason)
            return []
        self._errors.pop(name, None)
        return found

    def _complain(self, name: ServerName, reason: str) -> None:
        error = (
            f"{name.host}: the name has no address ({reason}). Check its spelling under "
            "clock_measurement.watchdog.servers, and this host's DNS and network"
        )
        if error != self._errors.get(name):
            logger.warning("%s", error)
        self._errors[name] = error

    def _take(self, name: ServerName, found: Sequence[Endpoint]) -> None:
        unwanted = {*self._taken(), *self._refused, *self._members}
        fresh = [each for each in found if str(each) not in unwanted]
        at_once = TAKEN_AT_ONCE if name.is_pool else 1
        for endpoint in fresh[: min(at_once, self._size - len(self))]:
            self._members[str(endpoint)] = Member(endpoint, self._asker(endpoint))

    def _forgive(self) -> None:
        now_s = asyncio.get_running_loop().time()
        for refused, at_s in list(self._refused.items()):
            if now_s - at_s >= REFUSED_S:
                del self._refused[refused]

    def answered(self, member: Member) -> None:
        """Note that one has answered."""
        member.unanswered = 0

    def missed(self, member: Member, kiss: str | None) -> None:
        """Note that one has not: it leaves with a kiss code, or after some silence."""
        member.unanswered += 1
        if kiss is not None:
            self._refused[member.id] = asyncio.get_running_loop().time()
        if kiss is not None or member.unanswered >= GIVEN_UP_AFTER:
            self._members.pop(member.id, None)
