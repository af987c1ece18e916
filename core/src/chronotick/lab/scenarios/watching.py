"""A reader of the record who knows the true time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from chronotick.lab.scenarios.host import Host
from chronotick.shm.layout import Flags, Status
from chronotick.shm.record import SERVING, interval_at, is_void
from chronotick.shm.served import ServedRecord, was_suspended


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a reader got at an instant.

    Attributes:
        at_s: seconds of the local clock since the start.
        status: what the time is worth; unknown where the reader got none.
        estimate_ns: served time; 0 where there is none, as the next ones.
        error_ns: served - true time.
        bound_ns: what the reader was told that the error is within.
        epoch: served time is continuous within one.
        authenticated: whether everything behind it was.
    """

    at_s: float
    status: Status
    estimate_ns: int = 0
    error_ns: int = 0
    bound_ns: int = 0
    epoch: int = 0
    authenticated: bool = False

    @property
    def is_served(self) -> bool:
        """Whether there was a time."""
        return self.status in SERVING

    @property
    def is_true(self) -> bool:
        """Whether true time was inside the interval."""
        return abs(self.error_ns) <= self.bound_ns


class Watcher:
    """Reads again and again; to be made, used and closed while the host is inhabited.

    Args:
        host: whose truth it knows.
        record: the record.

    Attributes:
        readings: all of them.
    """

    def __init__(self, host: Host, record: Path) -> None:
        self.readings: list[Reading] = []
        self._host = host
        self._reader = ServedRecord(record)

    def read(self) -> None:
        """Read once."""
        record, raw_ns = self._reader.read()
        at_s = self._host.elapsed_s(raw_ns)
        status = record.status
        if status not in SERVING or is_void(record, raw_ns) or was_suspended(record):
            status = Status.DISRUPTED if status is Status.DISRUPTED else Status.UNKNOWN
            self.readings.append(Reading(at_s=at_s, status=status))
            return
        now = interval_at(record, raw_ns)
        self.readings.append(
            Reading(
                at_s=at_s,
                status=status,
                estimate_ns=now.estimate_ns,
                error_ns=now.estimate_ns - self._host.truth(raw_ns),
                bound_ns=now.latest_ns - now.estimate_ns,
                epoch=record.epoch,
                authenticated=Flags.AUTHENTICATED in record.flags,
            )
        )

    def close(self) -> None:
        """Read no more."""
        self._reader.close()
