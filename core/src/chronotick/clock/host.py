"""The host's clocks, read together."""

from __future__ import annotations

import time
from dataclasses import dataclass

# macOS has no CLOCK_BOOTTIME; there its monotonic clock runs on in sleep, and nothing is detected.
_BOOTTIME = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


@dataclass(frozen=True, slots=True)
class HostClocks:
    """One reading of all clocks that matter.

    Attributes:
        raw_ns: CLOCK_MONOTONIC_RAW, the axis of everything.
        system_ns: CLOCK_REALTIME at the same instant.
        suspended_ns: CLOCK_BOOTTIME - CLOCK_MONOTONIC; it grows while the host sleeps.
    """

    raw_ns: int
    system_ns: int
    suspended_ns: int


def read_clocks() -> HostClocks:
    """Read CLOCK_REALTIME between two reads of CLOCK_MONOTONIC_RAW and take their middle."""
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
    system = time.time_ns()
    after = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
    suspended = time.clock_gettime_ns(_BOOTTIME) - time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    return HostClocks((before + after) // 2, system, _quantised(suspended))


def _quantised(suspended_ns: int) -> int:
    """Remove the microseconds between the two clock reads: a suspend lasts longer than that."""
    grain = 10_000_000
    return (suspended_ns + grain // 2) // grain * grain
