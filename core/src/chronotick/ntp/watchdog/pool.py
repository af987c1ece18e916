"""The pool: many servers, gathered from DNS little by little (RFC 9523, section 3.1).

Who answers for the names once must not own what is asked. Of each answer a few addresses are taken,
however many it has, and the names are looked up again and again, in rounds that are minutes, later
an hour, apart. Whatever is asked has at most a third of its servers from any one round, which is
what the judgement bears. (A single forged answer with 89 addresses would otherwise outnumber a day
of honest ones.)

That is for the names of pools. Any other name is one server that somebody has chosen to trust, and
belongs to no round.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Collection, Sequence

from chronotick.config.servers import ServerName
from chronotick.ntp.address import Endpoint, ResolveError, resolve
from chronotick.ntp.asking import Answer, Asker, Terms
from chronotick.ntp.source import asker_of
from chronotick.ntp.watchdog.member import Member, endpoint_of, fair_third, mixed, place_of
from chronotick.ntp.watchdog.saved import SavedPool, SavedServer

logger = logging.getLogger("chronotick.ntp.watchdog")

TAKEN_AT_ONCE = 4
"""Addresses taken from one answer for one name, which is as many as honest pools give."""
ROUND_S = 600.0
"""What is learnt from DNS within that time may have come from one hand."""
GIVEN_UP_AFTER = 3
"""Questions in a row without a valid answer."""
REFUSED_S = 24 * 3600.0
"""For how long who sent a kiss code is left alone."""
LISTED_S = 30 * 24 * 3600.0
"""For how long what DNS said counts: who leaves the pool is not to be asked for ever."""
_random = random.SystemRandom()  # no seed: nobody should guess whom we ask


class Pool:
    """The servers gathered so far.

    Args:
        names: where they come from.
        size: how many there may be.
        taken: servers that are not to be in it: those the clock is measured by, now or later, as
            :func:`~chronotick.ntp.watchdog.member.place_of` tells them apart.
        lookup: turns a name into addresses.
        asker: makes who asks an address.

    Attributes:
        changes: how often servers have come or left, for who saves them.
        silenced: names that are one server, which has left for not answering; the next look-up
            brings it back.
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
        self._names = tuple(dict.fromkeys(names))
        self._size = size
        self._taken = taken
        self._lookup = lookup
        self._asker = asker
        self.changes = 0
        self.silenced: set[ServerName] = set()
        self._members: dict[str, Member] = {}
        self._refused: dict[str, float] = {}  # and when, by the loop's clock
        self._errors: dict[ServerName, str] = {}
        self._round, self._round_began_s = 0, float("-inf")

    def __len__(self) -> int:
        return len(self.members)

    @property
    def members(self) -> list[Member]:
        """All there are now."""
        taken = self._taken()
        return [member for member in self._members.values() if member.place not in taken]

    def usable(self, count: int) -> int:
        """How many there are for a sample of so many, a third of it from one round at most."""
        return len(mixed(self.members, count // 3))

    def sample(self, count: int) -> list[Member]:
        """Draw so many of those that may be asked now, or as many as there are.

        A third of so many come from one round at most. Nobody can guess whom, nor in which order.
        """
        return mixed(self._rested(), count // 3)[:count]

    def whole(self) -> list[Member]:
        """As many as may be asked now, a third of them from one round at most, drawn likewise."""
        members = self._rested()
        return mixed(members, fair_third(members))

    def _rested(self) -> list[Member]:
        now_s = asyncio.get_running_loop().time()
        rested = [member for member in self.members if not member.rests(now_s)]
        _random.shuffle(rested)
        return rested

    @property
    def error(self) -> str:
        """Why a name gives no servers, empty if all do."""
        return next(iter(self._errors.values()), "")

    async def gather(self, sample_size: int) -> None:
        """Look the names up and take in what is new, where more can be of use.

        While there are too few for a sample of that size, no more are taken from one round than a
        sample may have: others would only fill the pool.
        """
        self._forgive()
        self._make_room()
        self._begin_round()
        known = {member.name for member in self._members.values()}
        for name in self._names:
            room = self._room(sample_size) if name.is_pool else min(self._free, name not in known)
            if room > 0:
                self._take(name, await self._found(name), room)

    def _make_room(self) -> None:
        """Let those go that the clock is measured by now, and those that DNS told of long ago."""
        now_s = asyncio.get_running_loop().time()
        stay = [member for member in self.members if not self._is_outdated(member, now_s)]
        self.changes += len(stay) < len(self._members)
        self._members = {member.id: member for member in stay}

    def _is_outdated(self, member: Member, now_s: float) -> bool:
        """It is to be looked up again, unless its name cannot be."""
        is_old = member.round is not None and now_s - member.found_s >= LISTED_S
        return is_old and member.name not in self._errors

    def _begin_round(self) -> None:
        now_s = asyncio.get_running_loop().time()
        if now_s - self._round_began_s >= ROUND_S:
            self._round, self._round_began_s = self._round + 1, now_s

    @property
    def _free(self) -> int:
        return self._size - len(self._members)

    def _room(self, sample_size: int) -> int:
        """How many servers may be taken from the name of a pool now."""
        if self.usable(sample_size) >= sample_size:
            return min(self._free, TAKEN_AT_ONCE)
        of_round = sum(member.round == self._round for member in self._members.values())
        return min(self._free, TAKEN_AT_ONCE, sample_size // 3 - of_round)

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

    def _take(self, name: ServerName, found: Sequence[Endpoint], room: int) -> None:
        taken, unwanted = self._taken(), {*self._refused, *self._members}
        fresh = [
            each
            for each in found
            if str(each) not in unwanted and place_of(each.host, each.port) not in taken
        ]
        of_round = self._round if name.is_pool else None
        now_s = asyncio.get_running_loop().time()
        for endpoint in fresh[:room]:
            self._add(Member(endpoint, self._asker(endpoint), name, of_round, now_s))

    def _add(self, member: Member) -> None:
        self._members[member.id] = member
        self.silenced.discard(member.name)
        self.changes += 1

    def _forgive(self) -> None:
        now_s = asyncio.get_running_loop().time()
        for refused, at_s in list(self._refused.items()):
            if now_s - at_s >= REFUSED_S:
                del self._refused[refused]

    async def ask(self, member: Member, terms: Terms) -> Answer:
        """Ask one, and note when, and whether it has answered."""
        member.asked_s = asyncio.get_running_loop().time()
        answer = await member.asker.ask(terms)
        if answer.measurement is None:
            self.missed(member, answer.kiss)
        else:
            self.answered(member)
        return answer

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
            self.changes += 1
            if kiss is None and not member.name.is_pool:
                self.silenced.add(member.name)

    @property
    def grows(self) -> bool:
        """Some of the names are pools', of which DNS gives more servers little by little."""
        return any(name.is_pool for name in self._names)

    @property
    def is_checkable(self) -> bool:
        """There is somebody to ask, or a name that is one server, to be looked up in a moment."""
        return bool(self._members) or not all(name.is_pool for name in self._names)

    def saved(self) -> SavedPool:
        """What is worth saving for a restart."""
        now_s = asyncio.get_running_loop().time()
        return SavedPool(
            servers=tuple(
                SavedServer(each.endpoint.host, str(each.name), each.round, now_s - each.found_s)
                for each in self._members.values()
                if each.round is not None
            ),
            refused={who: now_s - at_s for who, at_s in self._refused.items()},
            round=self._round,
            round_age_s=now_s - self._round_began_s if self._round else 0.0,
        )

    def restore(self, saved: SavedPool, elapsed_s: float) -> None:
        """Take in what was saved, where its name is still asked for; rounds go on from there.

        Args:
            saved: of this pool or another.
            elapsed_s: time since.

        Raises:
            ValueError: an address is none. Nothing was taken in then.
        """
        before_s = asyncio.get_running_loop().time() - elapsed_s
        names = {str(name): name for name in self._names if name.is_pool}
        members = [
            self._restored(each, names[each.name], before_s - each.age_s)
            for each in saved.servers
            if each.name in names
        ]
        if saved.round:
            self._round, self._round_began_s = saved.round, before_s - saved.round_age_s
        self._refused = {who: before_s - age_s for who, age_s in saved.refused.items()}
        for member in members[: self._size]:
            self._add(member)
        self._forgive()
        self._make_room()

    def _restored(self, saved: SavedServer, name: ServerName, found_s: float) -> Member:
        endpoint = endpoint_of(saved.host, name)
        return Member(endpoint, self._asker(endpoint), name, saved.round, found_s)
