"""ChronoTick: corrected time with honest error bounds.

    import chronotick

    chronotick.time()    # instead of time.time(): corrected, never raises
    chronotick.now()     # the interval that contains true time

Standard library only. Both read 128 bytes of shared memory that a daemon (``chronotick run``)
keeps up to date.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chronotick.client import (
    ChronoTick,
    ChronoTickClient,
    ChronoTickError,
    ClockUnsynchronised,
    ControlError,
    CorrectedTime,
    DaemonStartError,
    DaemonUnavailable,
    Now,
    Order,
    RecordError,
    RecordHeld,
    RecordMissing,
    Status,
    SystemTimeWarning,
    TargetPassed,
    after,
    after_ns,
    before,
    before_ns,
    now,
    start,
    status,
    stop,
    time,
    time_detailed,
    time_ns,
)

if TYPE_CHECKING:
    from chronotick.client import DetailedTime

__all__ = [
    "ChronoTick",
    "ChronoTickClient",
    "ChronoTickError",
    "ClockUnsynchronised",
    "ControlError",
    "CorrectedTime",
    "DaemonStartError",
    "DaemonUnavailable",
    "DetailedTime",
    "Now",
    "Order",
    "RecordError",
    "RecordHeld",
    "RecordMissing",
    "Status",
    "SystemTimeWarning",
    "TargetPassed",
    "after",
    "after_ns",
    "before",
    "before_ns",
    "now",
    "start",
    "status",
    "stop",
    "time",
    "time_detailed",
    "time_ns",
]


def __getattr__(name: str) -> object:
    if name == "DetailedTime":  # imports dataclasses, which takes as long as all the rest
        from chronotick.client import DetailedTime

        return DetailedTime
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
