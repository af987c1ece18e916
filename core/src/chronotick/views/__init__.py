"""One snapshot of the clock for everything that shows it: HTTP, agents, metrics, terminals.

Read-only, and outside of the timing path: the time comes from shared memory, what a daemon knows
besides from its control socket, what was from its history. Each is asked where it lies, so that a
view needs no daemon of its own and delays none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chronotick.client.instants import iso8601
from chronotick.views.reading import TimeReading, read_time, reading_of
from chronotick.views.snapshot import Snapshot

if TYPE_CHECKING:
    from chronotick.views.past import HistoryUnreadableError, Past

__all__ = [
    "HistoryUnreadableError",
    "Past",
    "Snapshot",
    "TimeReading",
    "iso8601",
    "read_time",
    "reading_of",
]


def __getattr__(name: str) -> object:
    if name in {"HistoryUnreadableError", "Past"}:  # numpy and the history: not for every view
        from chronotick.views import past

        return getattr(past, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
