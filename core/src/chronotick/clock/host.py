"""The host's clocks, read together."""

from __future__ import annotations

from dataclasses import dataclass

from chronotick.ntp.timestamps import read_pair
from chronotick.shm.clocks import suspended_ns
from chronotick.shm.record import SUSPEND_TOLERANCE_NS

_BASELINE_READINGS = 8


@dataclass(frozen=True, slots=True)
class HostClocks:
    """One reading of all clocks that matter.

    Attributes:
        raw_ns: CLOCK_MONOTONIC_RAW, the axis of everything.
        system_ns: CLOCK_REALTIME at the same instant.
        suspended_ns: CLOCK_BOOTTIME - CLOCK_MONOTONIC; it grows while the host sleeps. A reading
            that was interrupted is too small, never too large.
    """

    raw_ns: int
    system_ns: int
    suspended_ns: int

    def slept_since(self, baseline_ns: int) -> bool:
        """Whether the host has slept since ``suspended_ns`` was the given baseline."""
        return self.suspended_ns - baseline_ns > SUSPEND_TOLERANCE_NS


def read_clocks() -> HostClocks:
    """Read CLOCK_REALTIME and CLOCK_MONOTONIC_RAW at one instant, and how long the host slept."""
    pair = read_pair()
    return HostClocks(pair.raw_ns, pair.realtime_ns, suspended_ns())


def suspended_baseline_ns() -> int:
    """How long the host has slept, for later comparison: the largest of several readings."""
    return max(suspended_ns() for _ in range(_BASELINE_READINGS))
