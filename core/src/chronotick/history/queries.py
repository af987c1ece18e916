"""Questions to a history, as functions of a connection."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterable
from typing import TypeVar

from chronotick.history.rows import (
    FORECAST_COLUMNS,
    MEASUREMENT_COLUMNS,
    READING_COLUMNS,
    TRANSITION_COLUMNS,
    Reading,
    Row,
    StoredForecast,
    StoredMeasurement,
    Transition,
)
from chronotick.history.tables import TABLES

log = logging.getLogger(__name__)
ALL = -1  # as a limit of rows
T = TypeVar("T")

_MEASUREMENTS = f"SELECT {', '.join(MEASUREMENT_COLUMNS)} FROM measurements"  # noqa: S608 - constants
_TRANSITIONS = f"SELECT {', '.join(TRANSITION_COLUMNS)} FROM transitions"  # noqa: S608 - constants
_READING_NAMES = ", ".join(READING_COLUMNS)
_FORECASTS = f"SELECT {', '.join(FORECAST_COLUMNS)} FROM forecasts"  # noqa: S608 - constants


def measurements_since(
    connection: sqlite3.Connection, boot_id: str, raw_ns: int
) -> list[StoredMeasurement]:
    """Measurements of a boot at or after a RAW time, oldest first."""
    rows = connection.execute(
        f"{_MEASUREMENTS} WHERE boot_id = ? AND raw_ns >= ? ORDER BY raw_ns, id",
        (boot_id, raw_ns),
    )
    return _decoded(rows, StoredMeasurement.from_row)


def forecasts_between(
    connection: sqlite3.Connection, start_unix_ns: int, end_unix_ns: int, most: int = ALL
) -> list[StoredForecast]:
    """Forecasts made at ``start_unix_ns <= t < end_unix_ns``, the newest ``most``, oldest first."""
    rows = _newest(connection, _FORECASTS, start_unix_ns, end_unix_ns, most)
    return _decoded(rows, StoredForecast.from_row)


def _newest(
    connection: sqlite3.Connection, select: str, start_unix_ns: int, end_unix_ns: int, most: int
) -> list[Row]:
    rows = connection.execute(
        f"{select} WHERE unix_ns >= ? AND unix_ns < ? ORDER BY unix_ns DESC, id DESC LIMIT ?",
        (start_unix_ns, end_unix_ns, most),
    )
    return rows.fetchall()[::-1]


def readings_between(
    connection: sqlite3.Connection, start_unix_ns: int, end_unix_ns: int, step_ns: int = 1
) -> list[Reading]:
    """Readings at ``start_unix_ns <= t < end_unix_ns``, oldest first.

    Args:
        connection: to a history.
        start_unix_ns: beginning of the stretch.
        end_unix_ns: its end.
        step_ns: of each stretch of this length only the reading with the widest bound.
    """
    # With max() alone among bare columns SQLite takes those of the row that has the maximum.
    rows = connection.execute(
        f"SELECT {_READING_NAMES}, max(bound_ns) FROM readings"  # noqa: S608 - constants
        " WHERE unix_ns >= ? AND unix_ns < ? GROUP BY boot_id, unix_ns / ? ORDER BY unix_ns",
        (start_unix_ns, end_unix_ns, max(1, step_ns)),
    )
    return _decoded((row[:-1] for row in rows), Reading.from_row)


def served_between(
    connection: sqlite3.Connection, start_unix_ns: int, end_unix_ns: int
) -> dict[str, list[tuple[int, int]]]:
    """RAW and served time (ns) of all readings at ``start_unix_ns <= t < end_unix_ns``, by boot."""
    rows = connection.execute(
        "SELECT boot_id, raw_ns, unix_ns FROM readings WHERE unix_ns >= ? AND unix_ns < ?"
        " ORDER BY boot_id, raw_ns",
        (start_unix_ns, end_unix_ns),
    )
    found: dict[str, list[tuple[int, int]]] = {}
    for boot, raw_ns, unix_ns in rows:
        found.setdefault(boot, []).append((raw_ns, unix_ns))
    return found


def measurements_between(
    connection: sqlite3.Connection, start_unix_ns: int, end_unix_ns: int, most: int = ALL
) -> list[StoredMeasurement]:
    """Measurements at ``start_unix_ns <= t < end_unix_ns``, the newest ``most``, oldest first."""
    rows = _newest(connection, _MEASUREMENTS, start_unix_ns, end_unix_ns, most)
    return _decoded(rows, StoredMeasurement.from_row)


def transitions_between(
    connection: sqlite3.Connection, start_unix_ns: int, end_unix_ns: int, most: int = ALL
) -> list[Transition]:
    """Changes at ``start_unix_ns <= t < end_unix_ns``, the newest ``most``, oldest first."""
    rows = _newest(connection, _TRANSITIONS, start_unix_ns, end_unix_ns, most)
    return _decoded(rows, _transition)


def recent_transitions(connection: sqlite3.Connection, limit: int) -> list[Transition]:
    """The latest state changes, newest first."""
    rows = connection.execute(
        f"{_TRANSITIONS} ORDER BY id DESC LIMIT ?",
        (limit,),
    )
    return _decoded(rows, _transition)


def _transition(row: Row) -> Transition:
    return Transition(**dict(zip(TRANSITION_COLUMNS, row, strict=True)))


def counts(connection: sqlite3.Connection) -> dict[str, int]:
    """Rows by table."""
    return {
        table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608 - constants
        for table in TABLES
    }


def last_ids(connection: sqlite3.Connection) -> tuple[int, int]:
    """Highest identifiers of measurements and forecasts; 0 where there are none."""
    tables = ("measurements", "forecasts")
    first, second = (
        connection.execute(f"SELECT coalesce(max(id), 0) FROM {table}").fetchone()[0]  # noqa: S608 - constants
        for table in tables
    )
    return first, second


def _decoded(rows: Iterable[Row], decode: Callable[[Row], T]) -> list[T]:
    """The values of all rows that have one; rows that were damaged on disk are left out."""
    values = [_value(row, decode) for row in rows]
    sound = [value for value in values if value is not None]
    if len(sound) < len(values):
        log.warning("history: %d damaged rows are left out", len(values) - len(sound))
    return sound


def _value(row: Row, decode: Callable[[Row], T]) -> T | None:
    try:
        return decode(row)
    except (ValueError, TypeError):
        return None
