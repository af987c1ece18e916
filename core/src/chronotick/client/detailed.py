"""Time with everything the record knows about it."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

from chronotick.client.errors import ClockUnsynchronised, DaemonUnavailable
from chronotick.client.served import ServedClock
from chronotick.shm import clocks
from chronotick.shm.layout import Source, Status
from chronotick.shm.record import Record, bound_at, sigma_at, time_at
from chronotick.shm.served import was_suspended

SYSTEM = "system"
SOURCES = {
    Source.NONE: "no_data",
    Source.NTP: "ntp",
    Source.MODEL: "model",
    Source.FUSION: "fusion",
    Source.HOLDOVER: "holdover",
}


@dataclass(frozen=True, slots=True)
class DetailedTime:
    """Corrected time and what it is worth.

    Attributes:
        timestamp: corrected Unix time (s).
        raw_timestamp: system time (CLOCK_REALTIME) at the same instant (s).
        offset_correction: ``timestamp - raw_timestamp`` (s), to the nanosecond.
        uncertainty: calibrated standard uncertainty, one sigma (s); infinite without a daemon.
        confidence: measured against nominal coverage of the daemon's intervals, 0 to 1.
        lower_bound: true time is not before this (Unix s): the hard bound, not a multiple of sigma.
        upper_bound: true time is not after this (Unix s).
        source: what the time was made of: ``ntp``, ``model``, ``fusion``, ``holdover``,
            ``no_data``; ``system`` where there was nothing to correct with.
        status: what the daemon says about its clock.
    """

    timestamp: float
    raw_timestamp: float
    offset_correction: float
    uncertainty: float
    confidence: float
    lower_bound: float
    upper_bound: float
    source: str
    status: Status


def detailed_time(clock: ServedClock) -> DetailedTime:
    """Read a clock; without a daemon, the system's, with a warning."""
    try:
        record, raw_ns = clock.read()
    except (DaemonUnavailable, ClockUnsynchronised) as reason:
        clock.warn(reason)
        return _of_system(getattr(reason, "status", Status.UNKNOWN))
    return detailed_at(record, raw_ns)


def detailed_at(record: Record, raw_ns: int) -> DetailedTime:
    """Say all that a record which serves time says about a RAW instant (ns), which must be now."""
    if was_suspended(record):
        return _detailed(record, raw_ns, math.inf, Status.DISRUPTED)
    return _detailed(record, raw_ns, bound_at(record, raw_ns), record.status)


def _detailed(record: Record, raw_ns: int, bound_ns: float, status: Status) -> DetailedTime:
    time_ns = time_at(record, raw_ns)
    system_ns = raw_ns + clocks.system_minus_raw_ns()
    certain = math.isfinite(bound_ns)
    return DetailedTime(
        timestamp=time_ns / 1e9,
        raw_timestamp=system_ns / 1e9,
        offset_correction=(time_ns - system_ns) / 1e9,
        uncertainty=sigma_at(record, raw_ns) / 1e9 if certain else math.inf,
        confidence=record.confidence if certain else 0.0,
        lower_bound=(time_ns - bound_ns) / 1e9,
        upper_bound=(time_ns + bound_ns) / 1e9,
        source=SOURCES[record.source],
        status=status,
    )


def _of_system(status: Status) -> DetailedTime:
    now = time.time()
    return DetailedTime(now, now, 0.0, math.inf, 0.0, -math.inf, math.inf, SYSTEM, status)
