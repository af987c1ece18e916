"""Long tables: a row for each value, of one series or many (Nixtla's ``unique_id, ds, y``)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from chronotick.lab.recordings.errors import CellError, RecordingError
from chronotick.lab.recordings.tables import KNOWN, TIMES
from chronotick.lab.traces.columns import OFFSET, Columns, quantity
from chronotick.lab.traces.draft import Draft, problem_of
from chronotick.lab.traces.gathering import (
    About,
    ClockRows,
    Gathered,
    Sample,
    SeriesRows,
)
from chronotick.lab.traces.sheet import Sheet
from chronotick.lab.traces.wanted import Wanted

KINDS = ("clock", "series")
SAID = ("host", "unit", "kind", "truth")
MEASURED = tuple(name for name in KNOWN if name not in TIMES and quantity(name)[0] != OFFSET)


@dataclass(slots=True)
class _Series:
    """One series while its rows are read."""

    name: str
    host: str
    said: dict[str, tuple[str, int]] = field(default_factory=dict)  # and in which row
    gathered: Gathered | None = None
    error: RecordingError | None = None


def frame(sheet: Sheet, columns: Columns, name: str, wanted: Wanted) -> Iterator[Draft]:
    """Yield the series of a long table, in the order of their first rows.

    Args:
        sheet: the table.
        columns: which of its columns are what.
        name: of the file.
        wanted: what the caller says.

    Raises:
        RecordingError: a row does not say of which series it is, or there is none.
    """
    reader = _Reader(sheet, columns, name, wanted)
    for row, cells in sheet.rows(reader.needed):
        reader.take(row, cells)
    if not reader.series:
        raise RecordingError(sheet.path, "holds a header only")
    shared = Counter(each.name for each in reader.series.values())
    for each in reader.series.values():
        suffix = f"@{each.host}" if shared[each.name] > 1 else ""
        yield _draft(each, suffix, sheet.place)


def _draft(series: _Series, suffix: str, place: str) -> Draft:
    try:
        if series.error is not None:
            raise series.error
        assert series.gathered is not None  # noqa: S101 - or there is an error
        return Draft(series.gathered.trace(), suffix, series.host)
    except RecordingError as error:
        return Draft(problem_of(error, series.name, place), suffix, series.host)


class _Reader:
    """Sorts rows by series."""

    def __init__(self, sheet: Sheet, columns: Columns, name: str, wanted: Wanted) -> None:
        self._sheet, self._columns, self._name, self._wanted = sheet, columns, name, wanted
        at = {each: place for place, each in enumerate(sheet.names)}
        self._time, self._value = at[columns.time], at[columns.value]
        self._id = at[columns.name] if columns.name else None
        self._said = {each: at[each] for each in SAID if each in columns.said}
        self._extra = [each for each in MEASURED if each in at and each != columns.value]
        self._others = [at[each] for each in self._extra]
        self.needed = {columns.time, columns.value, columns.name, *columns.said, *self._extra}
        self.series: dict[tuple[str, str], _Series] = {}

    def take(self, row: int, cells: Sequence[str]) -> None:
        """Give a row to its series.

        Raises:
            RecordingError: it does not say to which.
        """
        name = self._name if self._id is None else cells[self._id]
        if not name:
            raise RecordingError(
                self._sheet.path, f"{self._sheet.place} {row}: {self._columns.name} is empty"
            )
        host = cells[self._said["host"]] if "host" in self._said else ""
        series = self.series.get((name, host))
        if series is None:
            series = self.series[name, host] = _Series(name, host)
        if series.error is not None:
            return
        try:
            self._add(series, row, cells)
        except CellError as error:
            series.error = RecordingError(self._sheet.path, error.problem, row, error.column)

    def _add(self, series: _Series, row: int, cells: Sequence[str]) -> None:
        for what in ("unit", "kind"):
            self._check_said(series, what, row, cells)
        if series.gathered is None:
            series.gathered = self._begun(series)
        truth = cells[self._said["truth"]] if "truth" in self._said else ""
        others = [cells[place] for place in self._others]
        series.gathered.add(row, Sample(cells[self._time], cells[self._value], truth, others))

    def _check_said(self, series: _Series, what: str, row: int, cells: Sequence[str]) -> None:
        """See that all rows of a series say the same."""
        if what not in self._said:
            return
        text = cells[self._said[what]]
        before, first = series.said.setdefault(what, (text, row))
        if text != before:
            told = f"{text!r}, but {before!r} in {self._sheet.place} {first}"
            cure = "convert the values to one" if what == "unit" else "make it two series"
            raise CellError(f"{told}: two {what}s in one series, {cure}", what)

    def _begun(self, series: _Series) -> Gathered:
        unit = series.said.get("unit", ("", 0))[0] or self._columns.unit
        if self._columns.unit and unit != self._columns.unit:
            problem = f"{unit!r}, but the column is {self._columns.value}: two units"
            raise CellError(problem, "unit")
        kind = kind_of(series.said.get("kind", ("", 0))[0], self._wanted)
        about = About(
            path=self._sheet.path,
            place=self._sheet.place,
            name=series.name,
            unit=unit or self._wanted.unit or "",
            time=self._columns.time,
            value=self._columns.value,
        )
        if kind == "clock":
            return ClockRows(about, self._wanted, self._extra)
        return SeriesRows(about, self._wanted.season_s)


def kind_of(said: str, wanted: Wanted) -> str:
    """Return whether values are a clock's offsets or a series.

    Args:
        said: what the file says; empty: nothing.
        wanted: what the caller says where the file says nothing.

    Raises:
        CellError: it is neither.
    """
    if said and said not in KINDS:
        raise CellError(f"{said!r} is no kind of trace. Write clock or series", "kind")
    return said or wanted.kind or "series"
