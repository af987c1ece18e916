"""What applications use. Standard library only, and nothing heavy before the first read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chronotick.client.client import ChronoTickClient, CorrectedTime
from chronotick.client.errors import (
    ChronoTickError,
    ClockUnsynchronised,
    ControlError,
    DaemonStartError,
    DaemonUnavailable,
    RecordError,
    RecordHeld,
    RecordMissing,
    SystemTimeWarning,
    TargetPassed,
)
from chronotick.client.order import Order
from chronotick.client.session import ChronoTick
from chronotick.shm.layout import Status
from chronotick.shm.now import Now

if TYPE_CHECKING:
    from chronotick.client.detailed import DetailedTime

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

# The one piece of global state: the default record, opened at the first read.
_default = ChronoTick()

time = _default.time
time_ns = _default.time_ns
now = _default.now
time_detailed = _default.time_detailed
before = _default.before
after = _default.after
before_ns = _default.before_ns
after_ns = _default.after_ns
start = _default.start
stop = _default.stop
status = _default.status


def __getattr__(name: str) -> object:
    if name == "DetailedTime":  # a dataclass: their module alone takes 14 ms to import
        from chronotick.client.detailed import DetailedTime

        return DetailedTime
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
