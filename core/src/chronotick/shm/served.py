"""What the Python fast reader does once per publication."""

from __future__ import annotations

from chronotick.shm import clocks
from chronotick.shm.errors import RecordError
from chronotick.shm.fast import NO_LINE, Line
from chronotick.shm.now import Now
from chronotick.shm.reader import RecordReader
from chronotick.shm.record import (
    MAX_AGE_NS,
    READY,
    SERVING,
    SUSPEND_TOLERANCE_NS,
    Record,
    interval_at,
    is_void,
    time_at,
)


class ServedRecord(RecordReader):
    """A record reader that knows whether the record serves time."""

    def line(self) -> tuple[Line, int | None]:
        """Return the numbers from which time is computed until the next publication, and time (ns).

        None instead of the time where the record serves none.
        """
        try:
            sequence, record, raw_ns = self.newest()
        except RecordError:
            return NO_LINE, None
        if record.status not in SERVING or is_void(record, raw_ns):
            return NO_LINE, None
        anchor_ns = record.anchor_raw_ns
        end_ns = min(record.void_after_raw_ns, anchor_ns + MAX_AGE_NS)
        line = (self.words, sequence, anchor_ns, record.anchor_utc_ns, record.rate, end_ns)
        return line, time_at(record, raw_ns)

    def now(self) -> Now | None:
        """Return the interval of true time, or None where nobody vouches for one."""
        try:
            record, raw_ns = self.read()
        except RecordError:
            return None
        if record.status not in READY or is_void(record, raw_ns) or was_suspended(record):
            return None
        return interval_at(record, raw_ns)


def was_suspended(record: Record) -> bool:
    """Whether the host has slept since the record was written: RAW stood still meanwhile."""
    return record.suspended_ns < clocks.suspended_ns() - SUSPEND_TOLERANCE_NS
