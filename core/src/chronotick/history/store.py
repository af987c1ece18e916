"""The history: what is remembered, in words of the domain."""

from __future__ import annotations

import itertools
import json
import logging
import sqlite3
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from chronotick.history import queries
from chronotick.history.boot import boot_id
from chronotick.history.connect import connect, connect_memory
from chronotick.history.lock import FileLock
from chronotick.history.retention import delete_aged
from chronotick.history.rows import (
    FORECAST_COLUMNS,
    MEASUREMENT_COLUMNS,
    READING_COLUMNS,
    TRANSITION_COLUMNS,
    Reading,
    SavedState,
    Score,
    StoredForecast,
    StoredMeasurement,
    Transition,
)
from chronotick.history.writer import MAINTENANCE_INTERVAL_S, Statement, Storage, Writer
from chronotick.ntp.measurement import Measurement

if TYPE_CHECKING:
    from typing_extensions import Self  # in typing from Python 3.11

log = logging.getLogger(__name__)

CAPACITY_ROWS = 50_000  # about an hour of everything, some 20 MB
_FUSION = "fusion"


def _insert(table: str, columns: tuple[str, ...]) -> str:
    marks = ", ".join("?" * len(columns))
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608 - constants


_MEASUREMENT = _insert("measurements", MEASUREMENT_COLUMNS)
_FORECAST = _insert("forecasts", FORECAST_COLUMNS[:-3])
_SCORE = "UPDATE forecasts SET error_s = ?, measurement_id = ?, scored_raw_ns = ? WHERE id = ?"
_TRANSITION = _insert("transitions", TRANSITION_COLUMNS)
_READING = _insert("readings", READING_COLUMNS)
_SCORES = "INSERT OR REPLACE INTO scores (name, unix_ns, body, crc32) VALUES (?, ?, ?, ?)"
_PART = "INSERT OR REPLACE INTO kept (name, unix_ns, body, crc32) VALUES (?, ?, ?, ?)"
_STATE = (
    "INSERT OR REPLACE INTO clock_state (boot_id, raw_ns, unix_ns, body, crc32)"
    " VALUES (?, ?, ?, ?, ?)"
)


@dataclass(frozen=True, slots=True)
class HistoryHealth:
    """How the history does.

    Attributes:
        path: its file; ``None`` when it lasts only as long as the process.
        pending: rows waiting in memory.
        dropped: rows given up.
        problem: why nothing can be written now; empty when all is well.
    """

    path: Path | None
    pending: int
    dropped: int
    problem: str


class History:
    """Measurements, forecasts, scores and state changes, kept across restarts.

    Everything that stores returns at once; rows are written by a thread about once a second.
    Everything that asks waits for that thread (milliseconds; call it from a thread when the event
    loop must not wait) and sees what was stored before. Made by
    :func:`chronotick.history.open_history`, which deals with files that cannot be used.

    Args:
        path: the database; ``None`` keeps everything in memory.
        retention_days: age at which measurements, forecasts and transitions are deleted, counted
            from the newest selected measurement.
        interval_s: time between commits, in seconds.
        capacity: most rows kept in memory while the database cannot be written.
        maintenance_s: time between deletions of old rows, in seconds.
        lock: held as long as the history is open.

    Raises:
        HistoryUnavailableError: the database cannot be opened.
    """

    def __init__(
        self,
        path: Path | None,
        retention_days: float,
        *,
        interval_s: float = 1.0,
        capacity: int = CAPACITY_ROWS,
        maintenance_s: float = MAINTENANCE_INTERVAL_S,
        lock: FileLock | None = None,
    ) -> None:
        self._path = path
        self._lock = lock
        self._boot_id = boot_id()
        storage = _storage(path, retention_days)
        self._writer = Writer(
            storage, interval_s=interval_s, capacity=capacity, maintenance_s=maintenance_s
        )
        try:
            measurement, forecast = self._writer.ask(queries.last_ids)
        except BaseException:
            self._writer.close()
            raise
        self._measurement_ids = itertools.count(measurement + 1)
        self._forecast_ids = itertools.count(forecast + 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def persistent(self) -> bool:
        """Whether anything is remembered after the process ends."""
        return self._path is not None

    def add_measurement(self, measurement: Measurement, *, selected: bool) -> int:
        """Remember a measurement of this boot.

        Args:
            measurement: the exchange.
            selected: its source was among those believed.

        Returns:
            Its number.
        """
        stored = StoredMeasurement(
            id=next(self._measurement_ids),
            boot_id=self._boot_id,
            measurement=measurement,
            selected=selected,
        )
        self._writer.put(Statement(_MEASUREMENT, stored.row()))
        return stored.id

    def add_forecast(
        self,
        *,
        unix_ns: int,
        model: str,
        predictor: str,
        issued_raw_ns: int,
        horizon_ns: int,
        predicted_offset_ns: int,
        sigma_s: float | None,
    ) -> int:
        """Remember one model's forecast for one horizon; see :class:`StoredForecast`.

        Returns:
            Its number, for :meth:`score_forecast`.
        """
        stored = StoredForecast(
            id=next(self._forecast_ids),
            boot_id=self._boot_id,
            unix_ns=unix_ns,
            model=model,
            predictor=predictor,
            issued_raw_ns=issued_raw_ns,
            horizon_ns=horizon_ns,
            predicted_offset_ns=predicted_offset_ns,
            sigma_s=sigma_s,
        )
        self._writer.put(Statement(_FORECAST, stored.row()))
        return stored.id

    def score_forecast(self, forecast_id: int, score: Score) -> None:
        """Remember how a forecast turned out."""
        values = (float(score.error_s), score.measurement_id, int(score.raw_ns), forecast_id)
        self._writer.put(Statement(_SCORE, values))

    def add_transition(
        self, *, raw_ns: int, unix_ns: int, before: str, after: str, reason: str
    ) -> None:
        """Remember a change of the clock's state on this boot; see :class:`Transition`."""
        values = (self._boot_id, int(raw_ns), int(unix_ns), before, after, reason)
        self._writer.put(Statement(_TRANSITION, values))

    def add_reading(self, reading: Reading) -> None:
        """Remember what was served at an instant of this boot."""
        self._writer.put(Statement(_READING, reading.row(self._boot_id)))

    def save_scores(self, scores: Mapping[str, Any]) -> None:
        """Replace the fusion's running sums; anything JSON can hold.

        Raises:
            TypeError, ValueError: JSON cannot hold it.
        """
        body = json.dumps(scores)
        values = (_FUSION, time.time_ns(), body, zlib.crc32(body.encode()))
        self._writer.put_latest("scores", Statement(_SCORES, values))

    def load_scores(self) -> dict[str, Any]:
        """What was saved last; empty if nothing was, or if it was damaged (which is logged).

        Raises:
            HistoryUnavailableError: the database cannot be read.
        """
        return self._writer.ask(_load_scores) or {}

    def save_state(self, boot: str, raw_ns: int, snapshot: Mapping[str, Any]) -> None:
        """Replace the estimator's snapshot of a boot; anything JSON can hold.

        Raises:
            TypeError, ValueError: JSON cannot hold it.
        """
        body = json.dumps(snapshot)
        values = (boot, int(raw_ns), time.time_ns(), body, zlib.crc32(body.encode()))
        self._writer.put_latest(f"state {boot}", Statement(_STATE, values))

    def load_state(self, boot: str) -> SavedState | None:
        """The boot's last snapshot; ``None`` without one, or if it was damaged (which is logged).

        Raises:
            HistoryUnavailableError: the database cannot be read.
        """
        return self._writer.ask(partial(_load_state, boot=boot))

    def save_part(self, name: str, body: Mapping[str, Any]) -> None:
        """Replace what a part of the daemon goes on with after a restart, of any boot.

        Args:
            name: of that part.
            body: anything JSON can hold.

        Raises:
            TypeError, ValueError: JSON cannot hold it.
        """
        text = json.dumps(body)
        values = (name, time.time_ns(), text, zlib.crc32(text.encode()))
        self._writer.put_latest(f"part {name}", Statement(_PART, values))

    def load_part(self, name: str) -> dict[str, Any] | None:
        """What was saved last; ``None`` without it, or if it was damaged (which is logged).

        Raises:
            HistoryUnavailableError: the database cannot be read.
        """
        return self._writer.ask(partial(_load_part, name=name))

    def measurements_since(self, raw_ns: int, boot: str | None = None) -> list[StoredMeasurement]:
        """Measurements at or after a RAW time, oldest first.

        Args:
            raw_ns: CLOCK_MONOTONIC_RAW.
            boot: boot it belongs to; ``None``: the running one.

        Raises:
            HistoryUnavailableError: the database cannot be read.
        """
        chosen = self._boot_id if boot is None else boot
        return self._writer.ask(lambda c: queries.measurements_since(c, chosen, raw_ns))

    def forecasts_between(self, start_unix_ns: int, end_unix_ns: int) -> list[StoredForecast]:
        """Forecasts made at ``start_unix_ns <= t < end_unix_ns``, oldest first.

        Raises:
            HistoryUnavailableError: the database cannot be read.
        """
        return self._writer.ask(lambda c: queries.forecasts_between(c, start_unix_ns, end_unix_ns))

    def recent_transitions(self, limit: int = 20) -> list[Transition]:
        """The latest state changes, newest first.

        Raises:
            HistoryUnavailableError: the database cannot be read.
        """
        return self._writer.ask(lambda c: queries.recent_transitions(c, limit))

    def counts(self) -> dict[str, int]:
        """Rows by table.

        Raises:
            HistoryUnavailableError: the database cannot be read.
        """
        return self._writer.ask(queries.counts)

    def health(self) -> HistoryHealth:
        """How the history does; returns at once."""
        health = self._writer.health()
        return HistoryHealth(self._path, health.pending, health.dropped, health.problem)

    def flush(self) -> bool:
        """Write what is queued now; returns whether all of it was.

        Raises:
            HistoryUnavailableError: the database cannot be opened.
        """
        self._writer.ask(lambda _: None)
        return self._writer.health().pending == 0

    def close(self) -> None:
        """Write what is queued and let go of the file."""
        self._writer.close()
        if self._lock is not None:
            self._lock.release()


def _storage(path: Path | None, retention_days: float) -> Storage:
    def maintain(connection: sqlite3.Connection) -> bool:
        return delete_aged(connection, retention_days) > 0

    if path is None:
        return Storage("the history in memory", connect_memory, lasting=False, maintain=maintain)
    return Storage(
        str(path), partial(connect, path), lasting=True, maintain=maintain, place=partial(_at, path)
    )


def _at(path: Path) -> tuple[int, int] | None:
    """Which file a path leads to; ``None``: to none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _load_scores(connection: sqlite3.Connection) -> dict[str, Any] | None:
    row = connection.execute("SELECT body, crc32 FROM scores WHERE name = ?", (_FUSION,)).fetchone()
    return None if row is None else _decoded("scores", *row)


def _load_part(connection: sqlite3.Connection, name: str) -> dict[str, Any] | None:
    row = connection.execute("SELECT body, crc32 FROM kept WHERE name = ?", (name,)).fetchone()
    return None if row is None else _decoded(f"the {name}", *row)


def _load_state(connection: sqlite3.Connection, boot: str) -> SavedState | None:
    row = connection.execute(
        "SELECT raw_ns, body, crc32 FROM clock_state WHERE boot_id = ?", (boot,)
    ).fetchone()
    body = None if row is None else _decoded("the clock's state", *row[1:])
    return None if body is None else SavedState(row[0], body)


def _decoded(what: str, body: str, crc32: int) -> dict[str, Any] | None:
    """The saved mapping, unless a bit of it has changed: a wrong digit would be a wrong clock."""
    if zlib.crc32(body.encode()) != crc32:
        log.warning("history: the saved copy of %s is damaged and not used", what)
        return None
    decoded: dict[str, Any] = json.loads(body)
    return decoded
