"""What was: the history's database, read while a daemon may be writing it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from chronotick.history import Reading, StoredMeasurement, reading
from chronotick.history.queries import (
    forecasts_between,
    measurements_between,
    readings_between,
    transitions_between,
)

NS_PER_S = 1_000_000_000
MOST_ROWS = 20_000
"""Of one kind in one answer."""

Rows = list[dict[str, Any]]


class HistoryUnreadableError(Exception):
    """Raised when there is no history to be read; the message says why and what to do."""


class Past:
    """Answers questions about a stretch of time.

    Args:
        path: the history's database.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)

    @property
    def fields(self) -> Sequence[str]:
        """What can be asked for."""
        return tuple(_QUESTIONS)

    def between(
        self, start_ns: int, end_ns: int, fields: Sequence[str], points: int = 1000
    ) -> dict[str, Rows]:
        """Tell what was in a stretch of Unix time, oldest first.

        Args:
            start_ns: its beginning (Unix ns), which belongs to it.
            end_ns: its end (Unix ns), which does not.
            fields: what is asked for: of :attr:`fields`.
            points: readings that are told at most, about: of many, those with the widest bounds.

        Raises:
            HistoryUnreadableError: there is no history, or it cannot be read.
            KeyError: a field that there is not.
        """
        asked = {name: _QUESTIONS[name] for name in fields}
        with self._open() as connection:
            stretch = _Stretch(connection, start_ns, end_ns, max(1, points))
            return {name: question(stretch) for name, question in asked.items()}

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            with reading(self._path) as connection:
                yield connection
        except sqlite3.Error as error:
            raise HistoryUnreadableError(
                f"{self._path}: the history cannot be read ({error}). Is it the daemon's, and "
                "may this user read it?"
            ) from error


class _Stretch:
    """A stretch of a history, and the readings in it."""

    def __init__(
        self, connection: sqlite3.Connection, start_ns: int, end_ns: int, points: int
    ) -> None:
        self.connection, self.start_ns, self.end_ns = connection, start_ns, end_ns
        step_ns = max(1, (end_ns - start_ns) // points)
        self.readings = readings_between(connection, start_ns, end_ns, step_ns)


def _clock(stretch: _Stretch) -> Rows:
    return [
        {
            "time_ns": each.unix_ns,
            "status": each.status,
            "system_minus_time_ns": each.system_minus_utc_ns,
            "bound_ns": each.bound_ns,
            "sigma_ns": each.sigma_ns,
            "frequency_ppm": each.frequency * 1e6,
            "coverage": each.coverage,
        }
        for each in stretch.readings
    ]


def _weights(stretch: _Stretch) -> Rows:
    return [{"time_ns": each.unix_ns, **each.weights} for each in stretch.readings]


def _measurements(stretch: _Stretch) -> Rows:
    stored = measurements_between(stretch.connection, stretch.start_ns, stretch.end_ns)
    line = _Line(stretch.readings)
    return [
        {
            "time_ns": each.unix_ns,
            "source": each.measurement.source,
            "error_ns": line.error_ns(each),
            "delay_ns": each.measurement.delay_ns,
            "selected": each.selected,
        }
        for each in stored[-MOST_ROWS:]
    ]


def _forecasts(stretch: _Stretch) -> Rows:
    stored = forecasts_between(stretch.connection, stretch.start_ns, stretch.end_ns)
    return [
        {
            "time_ns": each.unix_ns,
            "model": each.model,
            "loop": each.predictor,
            "horizon_s": each.horizon_ns / NS_PER_S,
            "sigma_s": each.sigma_s,
            "error_s": each.score.error_s if each.score else None,
        }
        for each in stored[-MOST_ROWS:]
    ]


def _transitions(stretch: _Stretch) -> Rows:
    stored = transitions_between(stretch.connection, stretch.start_ns, stretch.end_ns)
    return [
        {
            "time_ns": each.unix_ns,
            "before": each.before,
            "after": each.after,
            "reason": each.reason,
        }
        for each in stored
    ]


class _Line:
    """Served time between readings of a boot, which are seconds apart."""

    def __init__(self, readings: Sequence[Reading]) -> None:
        self._by_boot: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        for boot in {each.boot_id for each in readings}:
            own = sorted((r.raw_ns, r.unix_ns - r.raw_ns) for r in readings if r.boot_id == boot)
            raw_ns, offset_ns = np.array(own, dtype=np.int64).T
            self._by_boot[boot] = raw_ns, offset_ns

    def error_ns(self, stored: StoredMeasurement) -> int | None:
        """What a measurement said minus what was served; ``None`` outside of the readings."""
        raw_ns, offset_ns = self._by_boot.get(stored.boot_id, (np.empty(0), np.empty(0)))
        at_ns = stored.measurement.raw_ns
        if not len(raw_ns) or not raw_ns[0] <= at_ns <= raw_ns[-1]:
            return None
        # Today's offsets need 61 bits, a float has 53: only differences are interpolated.
        served_ns = float(
            np.interp(at_ns - raw_ns[0], raw_ns - raw_ns[0], offset_ns - offset_ns[0])
        )
        return round(stored.measurement.offset_ns - int(offset_ns[0]) - served_ns)


_QUESTIONS: dict[str, Callable[[_Stretch], Rows]] = {
    "clock": _clock,
    "weights": _weights,
    "measurements": _measurements,
    "forecasts": _forecasts,
    "transitions": _transitions,
}
