"""Whose time is handed on: the daemon's best source, as NTP replies name it."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chronotick.client.control import ask
from chronotick.client.errors import ChronoTickError
from chronotick.neighbours.standing import Standing
from chronotick.ntp.packet import reference_id_of
from chronotick.ntp.selection import Reason

log = logging.getLogger("chronotick.neighbours")

LAST_STRATUM = 15
"""The highest that still is a time server's (RFC 5905, figure 11)."""

REFRESH_S = 16.0
"""Which source is best changes with its polls, which are as far apart as this or further."""

RETRY_S = 1.0
_ASK_TIMEOUT_S = 2.0
_LOCAL_REFERENCE = int(ipaddress.IPv4Address("127.127.1.1"))  # NTP's name for "no server"


@dataclass(frozen=True, slots=True)
class Reference:
    """What a reply says of where its time comes from.

    Attributes:
        stratum: ours, 2 to 15: one more than the source's.
        reference_id: the source's IPv4 address, or a hash of its IPv6 address.
        delay_ns: round trip to the source.
    """

    stratum: int
    reference_id: int
    delay_ns: int


UNNAMED = Reference(LAST_STRATUM, _LOCAL_REFERENCE, 0)
"""Where the daemon does not say: no claim of a stratum better than the worst."""


def reference_of(sources: Iterable[Mapping[str, Any]]) -> Reference | None:
    """The reference among the sources that the daemon reports; None where it believes none.

    Args:
        sources: the daemon's answer to ``sources``.
    """
    best = next((source for source in sources if source.get("reason") == Reason.BEST), None)
    if best is None or best.get("stratum") is None:
        return None
    return Reference(
        stratum=min(int(best["stratum"]) + 1, LAST_STRATUM),
        reference_id=named(str(best["id"])),
        delay_ns=max(round(float(best.get("delay_s") or 0.0) * 1e9), 0),
    )


def named(endpoint: str) -> int:
    """The reference identifier of a server.

    Args:
        endpoint: ``host:port`` or ``[v6]:port`` of the server, with or without ``nts://`` or
            ``key://ID@`` before it; what is no address has no name.
    """
    place = endpoint.rpartition("://")[2].rpartition("@")[2]
    try:
        return reference_id_of(place.rpartition(":")[0].strip("[]"))
    except ValueError:
        return _LOCAL_REFERENCE


class ReferenceKeeper:
    """Keeps the newest reference, asking the daemon now and then.

    While no source is believed (holdover) the last one stays: the time still comes from it.

    Args:
        socket_path: the daemon's control socket; None is the default one.
        standing: how things stand now: nothing is asked while there is no time to hand on.

    Attributes:
        current: the reference that replies name.
    """

    def __init__(self, socket_path: Path | None, standing: Callable[[], Standing]) -> None:
        self.current = UNNAMED
        self._socket_path = socket_path
        self._standing = standing
        self._said = ""

    async def keep(self) -> None:
        """Ask for ever: often until there is a reference, then rarely."""
        while True:
            if self._standing().record is not None:
                await self.refresh()
            await asyncio.sleep(self.pause_s)

    @property
    def pause_s(self) -> float:
        """Until the next question, or until the next look whether there is a time again."""
        settled = self.current is not UNNAMED and self._standing().record is not None
        return REFRESH_S if settled else RETRY_S

    async def refresh(self) -> None:
        """Ask once."""
        try:
            sources = await asyncio.to_thread(
                ask, "sources", socket_path=self._socket_path, timeout=_ASK_TIMEOUT_S
            )
            found = reference_of(sources)
        except ChronoTickError as error:
            self._say(f"the daemon does not say which servers it uses: {error}")
        except (ArithmeticError, TypeError, ValueError, KeyError, AttributeError):
            self._say("the daemon's list of sources cannot be understood: is it another version?")
        else:
            self._said = ""
            self.current = found or self.current

    def _say(self, problem: str) -> None:
        if not self._said:
            log.warning("%s (NTP replies keep stratum %d)", problem, self.current.stratum)
        self._said = problem
