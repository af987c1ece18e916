"""What was: the history's database, read while a daemon may be writing it."""

from __future__ import annotations

import os
import sqlite3
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from chronotick.history import Reading, StoredMeasurement, queries, reading

NS_PER_S = 1_000_000_000
MOST_ROWS = 20_000
"""Of one kind in one answer: the newest."""

NEAR_NS = 60 * NS_PER_S
"""Readings, which are ten seconds apart, are joined by a line; where some are missing, not."""

Rows = list[dict[str, Any]]
T = TypeVar("T")


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
    """A stretch of a history."""

    def __init__(
        self, connection: sqlite3.Connection, start_ns: int, end_ns: int, points: int
    ) -> None:
        self.connection, self.start_ns, self.end_ns = connection, start_ns, end_ns
        self._step_ns = max(1, (end_ns - start_ns) // points)

    @cached_property
    def readings(self) -> list[Reading]:
        """About as many as points were asked for."""
        return queries.readings_between(self.connection, self.start_ns, self.end_ns, self._step_ns)

    def newest(self, ask: Callable[[sqlite3.Connection, int, int, int], list[T]]) -> list[T]:
        """Rows of a kind, oldest first."""
        return ask(self.connection, self.start_ns, self.end_ns, MOST_ROWS)


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
    return [{"time_ns": each.unix_ns, "weights": dict(each.weights)} for each in stretch.readings]


def _measurements(stretch: _Stretch) -> Rows:
    stored = stretch.newest(queries.measurements_between)
    if not stored:
        return []
    around = stored[0].unix_ns - NEAR_NS, stored[-1].unix_ns + NEAR_NS
    line = _Line(queries.served_between(stretch.connection, *around))
    return [
        {
            "time_ns": each.unix_ns,
            "source": each.measurement.source,
            "error_ns": line.error_ns(each),
            "delay_ns": each.measurement.delay_ns,
            "selected": each.selected,
        }
        for each in stored
    ]


def _forecasts(stretch: _Stretch) -> Rows:
    return [
        {
            "time_ns": each.unix_ns,
            "model": each.model,
            "loop": each.predictor,
            "horizon_s": each.horizon_ns / NS_PER_S,
            "sigma_s": each.sigma_s,
            "error_s": each.score.error_s if each.score else None,
        }
        for each in stretch.newest(queries.forecasts_between)
    ]


def _transitions(stretch: _Stretch) -> Rows:
    return [
        {
            "time_ns": each.unix_ns,
            "before": each.before,
            "after": each.after,
            "reason": each.reason,
        }
        for each in stretch.newest(queries.transitions_between)
    ]


class _Line:
    """Served time between readings.

    Args:
        served: RAW and served time (ns) of readings, by boot, oldest first.
    """

    def __init__(self, served: Mapping[str, Sequence[tuple[int, int]]]) -> None:
        self._served = served

    def error_ns(self, stored: StoredMeasurement) -> int | None:
        """What a measurement said minus what was served; ``None`` where that is not known."""
        served, at_ns = self._served.get(stored.boot_id, ()), stored.measurement.raw_ns
        after = bisect_left(served, (at_ns, 0))
        if after == len(served) or (after == 0 and served[0][0] != at_ns):
            return None
        (raw0_ns, unix0_ns), (raw1_ns, unix1_ns) = served[max(0, after - 1)], served[after]
        if raw1_ns - raw0_ns > NEAR_NS:
            return None
        share = Fraction(at_ns - raw0_ns, raw1_ns - raw0_ns) if raw1_ns > raw0_ns else 0
        return stored.unix_ns - unix0_ns - round(share * (unix1_ns - unix0_ns))


_QUESTIONS: dict[str, Callable[[_Stretch], Rows]] = {
    "clock": _clock,
    "weights": _weights,
    "measurements": _measurements,
    "forecasts": _forecasts,
    "transitions": _transitions,
}
