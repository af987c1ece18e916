"""Questions to a history, as functions of a connection."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterable
from typing import TypeVar

from chronotick.history.rows import (
    FORECAST_COLUMNS,
    MEASUREMENT_COLUMNS,
    Row,
    StoredForecast,
    StoredMeasurement,
    Transition,
)
from chronotick.history.tables import TABLES

log = logging.getLogger(__name__)
T = TypeVar("T")

_MEASUREMENTS = f"SELECT {', '.join(MEASUREMENT_COLUMNS)} FROM measurements"  # noqa: S608 - constants
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
    connection: sqlite3.Connection, start_unix_ns: int, end_unix_ns: int
) -> list[StoredForecast]:
    """Forecasts made at ``start_unix_ns <= t < end_unix_ns``, oldest first."""
    rows = connection.execute(
        f"{_FORECASTS} WHERE unix_ns >= ? AND unix_ns < ? ORDER BY unix_ns, id",
        (start_unix_ns, end_unix_ns),
    )
    return _decoded(rows, StoredForecast.from_row)


def recent_transitions(connection: sqlite3.Connection, limit: int) -> list[Transition]:
    """The latest state changes, newest first."""
    rows = connection.execute(
        "SELECT boot_id, raw_ns, unix_ns, before, after, reason FROM transitions"
        " ORDER BY id DESC LIMIT ?",
        (limit,),
    )
    names = ("boot_id", "raw_ns", "unix_ns", "before", "after", "reason")
    return [Transition(**dict(zip(names, row, strict=True))) for row in rows]


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
