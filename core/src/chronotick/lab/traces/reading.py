"""From patterns to traces: the edge at which data of every kind becomes one form."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from chronotick.lab.recordings import Recording, RecordingError, read_recording
from chronotick.lab.recordings.chrony import is_chrony
from chronotick.lab.recordings.errors import CellError
from chronotick.lab.recordings.ntpd import is_ntpd
from chronotick.lab.recordings.opening import content, is_database, text_lines
from chronotick.lab.replaying.trace_reading import is_trace, read_trace
from chronotick.lab.traces.clocks import histories
from chronotick.lab.traces.columns import VALUES, clock_or_series, quantity
from chronotick.lab.traces.draft import Draft, problem_of
from chronotick.lab.traces.endings import PARQUET, default_name
from chronotick.lab.traces.finding import find
from chronotick.lab.traces.frames import frame
from chronotick.lab.traces.hosts import clocks, only_truth, with_truth
from chronotick.lab.traces.looking import is_special
from chronotick.lab.traces.naming import named
from chronotick.lab.traces.parquet import MAGIC, ParquetTable
from chronotick.lab.traces.records import Source, json_records, needed, series_of_records
from chronotick.lab.traces.sheet import Sheet, sheet_of_text
from chronotick.lab.traces.trace import Kind, Trace, TraceProblem, Traces
from chronotick.lab.traces.truth import truth_beside
from chronotick.lab.traces.wanted import Wanted

NO_PATTERN = "no traces are named. Give files, directories or patterns such as 'DIR/*.csv*'"
OTHER_FORMATS = {
    b"ARROW1": "is an Arrow file. Save it as Parquet",
    b"PK\x03\x04": "is a zip archive, or a spreadsheet. Unpack it, or save it as CSV",
    b"\x89HDF": "is an HDF5 file. Save the series as CSV or Parquet",
}
LOOKED_AT = 8  # lines from which a format is told


def read_traces(
    patterns: Sequence[str],
    *,
    unit: str | None = None,
    host: str | None = None,
    kind: Kind | None = None,
    value: str | None = None,
    season_s: float | None = None,
    max_error_s: float | None = None,
) -> Traces:
    """Read every trace that patterns name.

    What cannot be read is among the problems, with its reason; it ends nothing.

    Args:
        patterns: files, directories or globs (``**``: directories at any depth).
        unit: of series whose file does not state one.
        host: of traces whose file does not state one; default: each is of a host of its own.
        kind: of series whose file does not state one: ``clock`` makes long tables and records
            offsets of clocks; ``series`` makes tables of offsets regular series.
        value: column of the values, with or without the ending of its unit. A file without it is
            read as if nothing had been said.
        season_s: length of the season of all series, s.
        max_error_s: largest error of offsets of which a recording bounds none, s.

    Returns:
        The traces and the problems.

    Raises:
        ValueError: there is no pattern.
    """
    if not patterns:
        raise ValueError(NO_PATTERN)
    wanted = Wanted(
        unit=unit, host=host, kind=kind, value=value, season_s=season_s, max_error_s=max_error_s
    )
    drafts: list[Draft] = []
    for found in find(patterns):
        drafts += [Draft(found)] if isinstance(found, TraceProblem) else _read(found, wanted)
    items = named(drafts)
    return Traces(
        tuple(_told_of_twins([each for each in items if isinstance(each, Trace)])),
        tuple(each for each in items if isinstance(each, TraceProblem)),
        tuple(_options(wanted)),
    )


def _options(wanted: Wanted) -> Iterator[str]:
    """What of the command line reads the same."""
    for name in ("kind", "value", "unit", "host"):
        said = getattr(wanted, name)
        if said is not None:
            yield from (f"--{name}", said)
    if wanted.season_s is not None:
        yield from ("--season", f"{wanted.season_s!r}s")


def _told_of_twins(traces: Sequence[Trace]) -> Iterator[Trace]:
    """Note which traces hold the same values: counted as two hosts, they would prove too much."""
    first: dict[str, str] = {}
    for trace in traces:
        twin = first.setdefault(trace.digest, trace.name)
        if twin == trace.name:
            yield trace
        else:
            yield replace(trace, notes=(*trace.notes, f"holds the same values as {twin}"))


def _read(path: str, wanted: Wanted) -> Iterator[Draft]:
    """Yield what a file comes to, whatever is wrong with it."""
    name = default_name(path)
    try:
        for draft in _drafts(path, name, wanted):
            yield replace(draft, path=path, host=draft.host or wanted.host or "")
    except RecordingError as error:
        yield Draft(problem_of(error, name), path=path)
    except MemoryError:
        problem = TraceProblem(path, name, "is too large for the memory. Split it")
        yield Draft(problem, path=path)


def _drafts(path: str, name: str, wanted: Wanted) -> Iterator[Draft]:
    if is_special(Path(path)):
        raise RecordingError(path, "is neither a file nor a directory")
    if is_database(path):
        yield from histories(path, name, wanted)
        return
    if is_trace(path):
        yield _recorded(name, read_trace(path).measurements_alone)
        return
    data = content(path)
    if data.startswith(MAGIC) or path.lower().endswith(PARQUET):
        yield from _parquet(path, ParquetTable(path, data), name, wanted)
        return
    for magic, problem in OTHER_FORMATS.items():
        if data.startswith(magic):
            raise RecordingError(path, problem)
    lines = text_lines(path, data)
    del data
    written = list(islice((line for line in lines if line.strip()), LOOKED_AT))
    if written[0].lstrip().startswith(("{", "[")):
        source = Source(path, name, "line", wanted)
        yield from series_of_records(source, json_records(path, lines))
    elif is_chrony(written) or is_ntpd(written):
        del lines
        yield _recorded(name, read_recording(path, max_error_s=wanted.max_error_s))
    else:
        sheet = sheet_of_text(path, lines)
        del lines  # they go as they are read
        yield from _sheet(sheet, name, wanted)


def _recorded(name: str, recording: Recording) -> Draft:
    truth = _truth(recording.path)
    return Draft(with_truth(name, recording, truth, only_truth(truth)))


def _parquet(path: str, table: ParquetTable, name: str, wanted: Wanted) -> Iterator[Draft]:
    if any(quantity(column)[0] in {*VALUES, wanted.value} for column in table.lists):
        records = table.records(needed(table.names, wanted))
        yield from series_of_records(Source(path, name, "row", wanted), records)
    else:
        yield from _sheet(table.sheet(), name, wanted)


def _sheet(sheet: Sheet, name: str, wanted: Wanted) -> Iterator[Draft]:
    try:
        columns = clock_or_series(sheet.names, wanted)
    except CellError as error:
        raise RecordingError(
            sheet.path, error.problem, sheet.header or None, error.column
        ) from None
    try:
        if columns is None:
            yield from clocks(sheet, name, wanted, _truth(sheet.path))
        else:
            yield from frame(sheet, columns, name, wanted)
    except RecordingError as error:
        yield Draft(problem_of(error, name, sheet.place))


def _truth(path: str) -> Sheet | None:
    """Return the table of the truth that lies beside measurements."""
    beside = truth_beside(path)
    if beside is None:
        return None
    data = content(str(beside))
    if data.startswith(MAGIC):
        return ParquetTable(str(beside), data).sheet()
    return sheet_of_text(str(beside), text_lines(str(beside), data))
