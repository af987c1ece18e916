"""What the daemon's word is worth at this moment, as every neighbour asks before it says a time."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from chronotick.client.errors import ClockUnsynchronised, DaemonUnavailable
from chronotick.client.served import ServedClock
from chronotick.shm.layout import Flags, Status
from chronotick.shm.record import Record
from chronotick.shm.served import was_suspended

log = logging.getLogger("chronotick.neighbours")

LEAP_INSERT = 1
LEAP_DELETE = 2


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether somebody vouches for a time now, and the record that says it.

    Attributes:
        record: a record one may rely on at this moment; None where nobody vouches for a time.
        status: of the clock; ``UNKNOWN`` without a daemon, ``DISRUPTED`` after a suspend.
        reason: why there is no record, as a sentence; empty where there is one.
    """

    record: Record | None
    status: Status
    reason: str = ""


def standing_of(clock: ServedClock) -> Standing:
    """Read the record; never raises, whatever has become of the daemon."""
    try:
        record, _ = clock.read()
    except DaemonUnavailable as gone:
        return Standing(None, Status.UNKNOWN, str(gone))
    except ClockUnsynchronised as lost:
        return Standing(None, lost.status, str(lost))
    if was_suspended(record):
        return Standing(None, Status.DISRUPTED, "the host was suspended since the last publication")
    if record.status is Status.WARMING_UP:
        return Standing(None, record.status, "the daemon is still warming up")
    return Standing(record, record.status)


def leap_of(record: Record) -> int:
    """The leap second that is announced: 0 none, 1 inserted, 2 deleted (NTP and SOCK agree)."""
    if record.flags & Flags.LEAP_INSERT:
        return LEAP_INSERT
    return LEAP_DELETE if record.flags & Flags.LEAP_DELETE else 0


class StandingLog:
    """Says in the log, once per change, whether there is a time to hand on."""

    def __init__(self) -> None:
        self._said: Status | None = None

    def observe(self, standing: Standing) -> None:
        """Take in how things stand."""
        if standing.status is self._said:
            return
        self._said = standing.status
        words = standing.status.words
        if standing.record is None:
            log.warning("no time is handed on (%s): %s", words, standing.reason)
        else:
            log.info("time is handed on: %s", words)
