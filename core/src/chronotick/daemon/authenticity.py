"""Says so when servers that authenticate time are configured, and none of them is believed.

Where authentication is preferred, others are believed while those servers are silent: time goes on,
and anybody on the way can have made it. That must not be for an operator to guess.

The flag ``AUTHENTICATED`` of the record asks for more: that *all* who are behind the time
authenticate it. Others that agree take it away and are no trouble, since they move the time no
further than the authenticated ones allow (:mod:`chronotick.ntp.selection`).
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import Protocol

from chronotick.config.schema import Ntp
from chronotick.config.servers import parse_server
from chronotick.shm.layout import Status
from chronotick.shm.record import READY

_log = logging.getLogger("chronotick.daemon")


class AuthenticatedSources(Protocol):
    """The sources of the servers that authenticate: :class:`chronotick.ntp.NtpMonitor`."""

    @property
    def authenticated(self) -> frozenset[str]:
        """Their identifiers."""

    @property
    def awaits_authenticated(self) -> bool:
        """Some have not been asked yet, or not since everything was forgotten."""


class Authenticity:
    """Finds that no authenticated source is behind the time any more, and that one is again.

    Args:
        sources: where the sources are.
    """

    def __init__(self, sources: AuthenticatedSources) -> None:
        self._sources = sources
        self._missed = 0  # servers that should authenticate, while none does

    def look(self, ntp: Ntp, status: Status, believed: Collection[str]) -> None:
        """Look at who is believed; a change is logged.

        Args:
            ntp: what is configured.
            status: what the sources call for. Before the end of the warm-up nothing is missed.
            believed: sources that were believed last. In holdover the time is still theirs.
        """
        expected = _expected(ntp)
        vouching = self._sources.authenticated.intersection(believed)
        if not expected or vouching:
            self._end(sorted(vouching))
        elif status in READY and not self._sources.awaits_authenticated:
            self._begin(expected)

    @property
    def problem(self) -> str:
        """What an operator should know; empty if there is nothing."""
        return f"time is not authenticated: {_who(self._missed)}" if self._missed else ""

    def _begin(self, expected: int) -> None:
        before, self._missed = self._missed, expected
        if not before:
            extra = _about("lost", servers=expected)
            _log.warning("time is not authenticated: %s", _who(expected), extra=extra)

    def _end(self, vouching: list[str]) -> None:
        before, self._missed = self._missed, 0
        if before and vouching:
            sources = ", ".join(vouching)
            extra = _about("restored", source=sources)
            _log.info("a server with NTS or a key is believed again: %s", sources, extra=extra)
        elif before:
            extra = _about("dropped")
            _log.info("no server is configured any more that has to authenticate time", extra=extra)


def _who(servers: int) -> str:
    many = f"none of the {servers} servers with NTS or a key is believed"
    one = "the server with NTS or a key is not believed"
    return f"{one if servers == 1 else many}. See: chronotick sources"


def _about(what: str, **fields: str | int) -> dict[str, object]:
    return {"event": f"authentication_{what}", "fields": fields, "is_change": True}


def _expected(ntp: Ntp) -> int:
    """How many servers are there so that the time is authenticated."""
    if ntp.authentication == "ignore":
        return 0
    return sum(parse_server(text).is_authenticated for text in dict.fromkeys(ntp.servers))
