"""What the Python fast reader does once per publication."""

from __future__ import annotations

from chronotick.shm import clocks
from chronotick.shm.errors import RecordError
from chronotick.shm.fast import NO_INTERVAL, NO_LINE, IntervalLine, Line
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
        return self._line_of(sequence, record), time_at(record, raw_ns)

    def interval(self) -> tuple[IntervalLine, Now | None]:
        """Return the numbers from which the interval of true time is computed, and the interval.

        None instead of the interval where nobody vouches for one.
        """
        try:
            sequence, record, raw_ns = self.newest()
        except RecordError:
            return NO_INTERVAL, None
        if record.status not in READY or is_void(record, raw_ns) or was_suspended(record):
            return NO_INTERVAL, None
        widths = record.bound_ns, record.bound_rate, record.sigma_ns, record.sigma_rate
        awake_ns = record.suspended_ns + SUSPEND_TOLERANCE_NS
        line = (self._line_of(sequence, record), *widths, record.status, awake_ns)
        return line, interval_at(record, raw_ns)

    def _line_of(self, sequence: int, record: Record) -> Line:
        anchor_ns = record.anchor_raw_ns
        end_ns = min(record.void_after_raw_ns, anchor_ns + MAX_AGE_NS)
        return (self.words, sequence, anchor_ns, record.anchor_utc_ns, record.rate, end_ns)


def was_suspended(record: Record) -> bool:
    """Whether the host has slept since the record was written: RAW stood still meanwhile."""
    return record.suspended_ns < clocks.suspended_ns() - SUSPEND_TOLERANCE_NS
