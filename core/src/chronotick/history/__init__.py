"""The history: SQLite behind a thread of its own, so that remembering never delays the clock."""

from chronotick.history.boot import boot_id
from chronotick.history.connect import reading
from chronotick.history.opening import OpenedHistory, Trouble, diagnose, open_history
from chronotick.history.rows import (
    Reading,
    SavedState,
    Score,
    StoredForecast,
    StoredMeasurement,
    Transition,
)
from chronotick.history.store import History, HistoryHealth
from chronotick.history.writer import HistoryUnavailableError

__all__ = [
    "History",
    "HistoryHealth",
    "HistoryUnavailableError",
    "OpenedHistory",
    "Reading",
    "SavedState",
    "Score",
    "StoredForecast",
    "StoredMeasurement",
    "Transition",
    "Trouble",
    "boot_id",
    "diagnose",
    "open_history",
    "reading",
]
