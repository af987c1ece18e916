"""What the rows of one series are gathered in: a regular series, or a clock."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from chronotick.lab.recordings.decimals import exact_seconds, is_missing
from chronotick.lab.recordings.errors import CellError
from chronotick.lab.traces.clocks import NS_PER_S, clock
from chronotick.lab.traces.columns import PER_SECOND
from chronotick.lab.traces.digest import digest_of_series
from chronotick.lab.traces.gridding import Grid, Samples, gridded
from chronotick.lab.traces.hosts import recorded
from chronotick.lab.traces.instants import instant_ns
from chronotick.lab.traces.sheet import Cells
from chronotick.lab.traces.trace import Trace, Vector
from chronotick.lab.traces.wanted import Wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What is said of a series beside its values.

    Attributes:
        path: of the file.
        place: what the number of a row counts.
        name: of the series.
        unit: of its values; empty: unknown.
        time, value: names of the columns.
    """

    path: str
    place: str
    name: str
    unit: str
    time: str
    value: str


@dataclass(frozen=True, slots=True)
class Sample:
    """A row as text.

    Attributes:
        time, value: as they stand there.
        truth: what the value should have been; empty: unknown.
        others: further cells of a clock's measurement, in the order of ``extra`` columns.
    """

    time: str
    value: str
    truth: str = ""
    others: Sequence[str] = ()


class Gathered(Protocol):
    """Takes rows, and makes a trace of them."""

    def add(self, row: int, sample: Sample) -> None:
        """Take a row.

        Raises:
            CellError: a cell is wrong.
        """

    def trace(self) -> Trace:
        """Return what the rows are.

        Raises:
            RecordingError: they are not what they should be.
        """


class _Truths:
    """Instants, and what was true there."""

    def __init__(self) -> None:
        self._time_ns = array("q")
        self._value = array("d")

    def add(self, time_ns: int, text: str) -> None:
        value = number(text, "truth")
        if not math.isnan(value):
            self._time_ns.append(time_ns)
            self._value.append(value)

    @property
    def arrays(self) -> tuple[Vector, Vector]:
        """Times in s, and values."""
        return np.array(self._time_ns, dtype=np.int64) / NS_PER_S, np.array(self._value)


class SeriesRows:
    """Rows of a regular series.

    Args:
        about: what is known of it.
        season_s: length of its season.
    """

    def __init__(self, about: About, season_s: float | None = None) -> None:
        self._about = about
        self._season_s = season_s
        self._rows, self._time_ns, self._value = array("q"), array("q"), array("d")
        self._truths = _Truths()

    def add(self, row: int, sample: Sample) -> None:
        """See :class:`Gathered`."""
        time_ns = instant_ns(sample.time, self._about.time)
        value = number(sample.value, self._about.value)
        self._truths.add(time_ns, sample.truth)
        self._rows.append(row)
        self._time_ns.append(time_ns)
        self._value.append(value)

    def trace(self) -> Trace:
        """See :class:`Gathered`."""
        about = self._about
        grid = gridded(
            Samples(
                path=about.path,
                place=about.place,
                rows=np.array(self._rows, dtype=np.int64),
                time_ns=np.array(self._time_ns, dtype=np.int64),
                value=np.array(self._value),
            )
        )
        season, notes = _season(self._season_s, grid)
        truth_time_s, truth_s = self._truths.arrays
        return Trace(
            name=about.name,
            host="",
            path=about.path,
            digest=digest_of_series(
                about.unit, season, grid.time_s, grid.value, (truth_time_s, truth_s)
            ),
            kind="series",
            unit=about.unit,
            cadence_s=grid.step_s,
            time_s=grid.time_s,
            value=grid.value,
            truth_time_s=truth_time_s,
            truth_s=truth_s,
            season=season,
            notes=(*grid.notes, *notes),
        )


class ClockRows:
    """Rows of a clock's offsets.

    Args:
        about: what is known of it.
        wanted: what the caller says.
        extra: names of further columns of measurements, as tables of clocks have them.

    Raises:
        CellError: the offsets are not in seconds.
    """

    def __init__(self, about: About, wanted: Wanted, extra: Sequence[str] = ()) -> None:
        if about.unit not in {"", "s"}:
            raise CellError(_not_seconds(about.unit), about.value)
        self._about = about
        self._wanted = wanted
        self._rows: list[Cells] = [(0, ["t_s", "offset_s", *extra])]
        self._truths = _Truths()

    def add(self, row: int, sample: Sample) -> None:
        """See :class:`Gathered`."""
        time_ns = instant_ns(sample.time, self._about.time)
        self._truths.add(time_ns, sample.truth)
        self._rows.append((row, [exact_seconds(time_ns), sample.value, *sample.others]))

    def trace(self) -> Trace:
        """See :class:`Gathered`."""
        about = self._about
        recording = recorded(about.path, iter(self._rows), self._wanted, about.place)
        times_s, truth_s = self._truths.arrays
        back = np.diff(times_s) <= 0
        if back.any():  # several sources, or rows that were sorted: the truth is the same
            times_s, first = np.unique(times_s, return_index=True)
            truth_s = truth_s[first]
        return replace(clock(about.name, recording, (times_s, truth_s)), path=about.path)


def number(text: str, column: str) -> float:
    """Read a value; NaN where there is none.

    Raises:
        CellError: it is no finite number.
    """
    if is_missing(text):
        return math.nan
    try:
        value = float(text.replace("_", "?"))  # Python takes 1_000 for a number
    except ValueError:
        hint = ": write a decimal point" if "," in text else ""
        raise CellError(f"{text[:50]!r} is no number{hint}", column) from None
    if not math.isfinite(value):
        raise CellError(f"{text[:50]!r} is not finite", column)
    return value


def _not_seconds(unit: str) -> str:
    factor = PER_SECOND.get(unit)
    cure = f". Divide them by {factor}" if factor else f", these are in {unit}"
    return f"offsets of a clock must be in s{cure}"


def _season(season_s: float | None, grid: Grid) -> tuple[int, tuple[str, ...]]:
    if season_s is None:
        return 1, ()
    season = round(season_s / grid.step_s)
    if season < 2 or 2 * season > len(grid.value):  # noqa: PLR2004 - a season repeats
        told = f"a season of {season_s:g} s is not used: {season} samples of {len(grid.value)}"
        return 1, (told,)
    return season, ()
