"""Rows that hold a whole series each: JSON lines and Parquet, as fev and GluonTS have them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from chronotick.lab.recordings.decimals import exact_seconds
from chronotick.lab.recordings.errors import CellError, RecordingError
from chronotick.lab.traces.columns import (
    IDS,
    INSTANTS,
    VALUES,
    first_column,
    only_column,
    quantity,
)
from chronotick.lab.traces.draft import Draft, problem_of
from chronotick.lab.traces.frames import kind_of
from chronotick.lab.traces.gathering import About, ClockRows, Gathered, Sample, SeriesRows
from chronotick.lab.traces.instants import instant_ns, step_ns
from chronotick.lab.traces.trace import Trace, TraceProblem
from chronotick.lab.traces.wanted import Wanted

Record = Mapping[str, "str | list[str]"]
SHAPE = '{"id": ..., "timestamp": [...], "target": [...]}'
SAID = ("host", "unit", "kind", "start", "freq")


@dataclass(frozen=True, slots=True)
class Source:
    """Where records are from.

    Attributes:
        path: of the file.
        name: of the file.
        place: what the number of a record counts.
        wanted: what the caller says.
    """

    path: str
    name: str
    place: str
    wanted: Wanted


def needed(names: Sequence[str], wanted: Wanted) -> set[str]:
    """Columns of a table of records that are read."""
    known = {*IDS, *INSTANTS, *VALUES, *SAID, "truth", wanted.value}
    return {name for name in names if name in known or quantity(name)[0] in {*VALUES, *INSTANTS}}


def json_records(path: str, lines: Sequence[str]) -> Iterator[tuple[int, Record | CellError]]:
    """Yield number and content of each line, or what is wrong with it.

    Raises:
        RecordingError: not even the first line is a JSON object.
    """
    written = ((number, line) for number, line in enumerate(lines, start=1) if line.strip())
    for place, (number, line) in enumerate(written):
        record = _record(line)
        if place == 0 and isinstance(record, CellError):
            problem = (
                f"is JSON, but not a series in each line ({SHAPE}). If it describes a world: "
                f"chronotick lab simulate {path} --out DIRECTORY"
            )
            raise RecordingError(path, problem)
        yield number, record


def _record(line: str) -> Record | CellError:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        return CellError(f"is no JSON ({error}). Was it cut off?")
    if not isinstance(found, dict):
        return CellError(f"is no JSON object: write {SHAPE}")
    return {name: _texts(value) for name, value in found.items()}


def series_of_records(
    source: Source, numbered: Iterable[tuple[int, Record | CellError]]
) -> Iterator[Draft]:
    """Yield the series that records are.

    Args:
        source: where they are from.
        numbered: the records.
    """
    seen: dict[tuple[str, str], int] = {}
    names: set[str] = set()
    for number, record in numbered:
        called, host = _called(source.name, number, record)
        suffix = f"@{host}" if called in names and host else ""
        first = seen.setdefault((called, host), number)
        names.add(called)
        again = CellError(f"{called} is in {source.place} {first} already", "id")
        content = record if first == number else again
        yield Draft(_trace(source, called, number, content), suffix, host)


def _called(name: str, number: int, record: Record | CellError) -> tuple[str, str]:
    """Name and host that a record states, else those of the file."""
    told: Record = {} if isinstance(record, CellError) else record
    own = next((found for column in IDS if (found := _text(told, column))), "")
    return own or (name if number == 1 else f"{name}-{number}"), _text(told, "host")


def _trace(
    source: Source, name: str, number: int, record: Record | CellError
) -> Trace | TraceProblem:
    try:
        return _gathered(source, name, number, record).trace()
    except CellError as error:
        told = RecordingError(source.path, error.problem, number, error.column)
        return problem_of(told, name, source.place)
    except RecordingError as error:
        return problem_of(error, name, f"{source.place} {number}, value")


def _gathered(source: Source, name: str, number: int, record: Record | CellError) -> Gathered:
    """Take a record apart.

    Raises:
        CellError: it is no series.
        RecordingError: one of its values is wrong.
    """
    if isinstance(record, CellError):
        raise record
    wanted, place = source.wanted, f"{source.place} {number}, value"
    value, values = _values(record, wanted)
    column, times = _times(record, len(values))
    truths = _list(record, "truth") if "truth" in record else [""] * len(values)
    if len(truths) != len(values):
        raise CellError(f"has {len(truths)} values, {value} has {len(values)}", "truth")
    unit = _text(record, "unit") or quantity(value)[1] or wanted.unit or ""
    about = About(path=source.path, place=place, name=name, unit=unit, time=column, value=value)
    gathered: Gathered = SeriesRows(about, wanted.season_s)
    if kind_of(_text(record, "kind"), wanted) == "clock":
        gathered = ClockRows(about, wanted)
    count = 0
    try:
        for count, cells in enumerate(zip(times, values, truths, strict=True), start=1):
            gathered.add(count, Sample(*cells))
    except CellError as error:
        raise RecordingError(source.path, error.problem, count, error.column) from None
    return gathered


def _values(record: Record, wanted: Wanted) -> tuple[str, list[str]]:
    asked = only_column(record, wanted.value) if wanted.value is not None else None
    name = asked or first_column(record, VALUES)
    if name is None:
        raise CellError(f"has no target. Write {SHAPE}; it has {', '.join(record)[:200]}")
    values = _list(record, name)
    if values and values[0].startswith("["):
        raise CellError("holds several series: write a row for each", name)
    return name, values


def _times(record: Record, count: int) -> tuple[str, list[str]]:
    """Return the name of the column of times, and the times."""
    name = first_column(record, INSTANTS)
    if name is not None and not isinstance(record[name], str):
        times = _list(record, name)
        if len(times) != count:
            raise CellError(f"has {len(times)} times for {count} values", name)
        return name, times
    start, freq = _text(record, "start"), _text(record, "freq")
    if not start or not freq:
        raise CellError("has no times: it needs a list timestamp, or start and freq")
    start_ns, every_ns = instant_ns(start, "start"), step_ns(freq)
    instant_ns(exact_seconds(start_ns + count * every_ns), "freq")  # far beyond any time?
    return "start", [exact_seconds(start_ns + place * every_ns) for place in range(count)]


def _list(record: Record, name: str) -> list[str]:
    found = record[name]
    if isinstance(found, str):
        raise CellError("must be a list", name)
    return found


def _text(record: Record, name: str | None) -> str:
    found = record.get(name, "") if name else ""
    return found if isinstance(found, str) else ""


def _texts(value: object) -> str | list[str]:
    if isinstance(value, list):
        return [_text_of(each) for each in value]
    return _text_of(value)


def _text_of(value: object) -> str:
    """Numbers with all their digits."""
    if value is None:
        return ""
    return value.strip() if isinstance(value, str) else str(value)
