"""Tables of clocks, of one host or several."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from itertools import chain

from chronotick.lab.recordings import Recording, RecordingError
from chronotick.lab.recordings.assembling import Origin, assembled
from chronotick.lab.recordings.remarks import Remarks
from chronotick.lab.recordings.tables import KNOWN, read_rows
from chronotick.lab.recordings.truths import REQUIRED
from chronotick.lab.traces.clocks import NS_PER_S, clock
from chronotick.lab.traces.draft import Draft, problem_of
from chronotick.lab.traces.sheet import Cells, Sheet
from chronotick.lab.traces.trace import Trace
from chronotick.lab.traces.truth import truth_of
from chronotick.lab.traces.wanted import Wanted

HOST = "host"
ANY = ""  # host of a table that names none


def clocks(sheet: Sheet, name: str, wanted: Wanted, truth: Sheet | None) -> Iterator[Draft]:
    """Yield the clock of each host of a table.

    Args:
        sheet: the measurements.
        name: of the file.
        wanted: what the caller says.
        truth: what the offsets really were, if that is known.

    Raises:
        RecordingError: a row names no host, or the truth's hosts are others.
    """
    hosts = _by_host(sheet, KNOWN)
    truths = _truths(truth, hosts)
    for host, numbered in hosts.items():
        suffix = f"@{host}" if len(hosts) > 1 else ""
        try:
            recording = recorded(sheet.path, numbered, wanted, sheet.place)
            trace = with_truth(name, recording, truth, truths.get(host))
            yield Draft(trace, suffix, host)
        except RecordingError as error:
            yield Draft(problem_of(error, name, sheet.place), suffix, host)


def recorded(path: str, numbered: Iterator[Cells], wanted: Wanted, place: str) -> Recording:
    """Return the recording that rows are, of which the first is the header.

    Raises:
        RecordingError: they are none.
    """
    remarks = Remarks(place)
    most_s = wanted.max_error_s
    origin = Origin(
        path=path,
        format="table",
        max_error_ns=None if most_s is None else round(most_s * NS_PER_S),
    )
    return assembled(origin, read_rows(path, numbered, remarks), remarks)


def only_truth(truth: Sheet | None) -> Iterator[Cells] | None:
    """Return the rows of a truth that is that of one host.

    Raises:
        RecordingError: it is of several.
    """
    return _truths(truth, (ANY,)).get(ANY)


def with_truth(
    name: str, recording: Recording, truth: Sheet | None, numbered: Iterator[Cells] | None
) -> Trace:
    """Return the trace of a recording, with what is known of its truth.

    Args:
        name: of the trace.
        recording: its measurements.
        truth: the table of the truth, if there is one.
        numbered: its rows about this host, if it has any.

    Raises:
        RecordingError: the recording holds too little, or its truth is wrong.
    """
    if truth is not None and numbered is not None:
        return clock(name, recording, truth_of(truth, numbered, recording))
    trace = clock(name, recording)
    if truth is None:
        return trace
    return replace(trace, notes=(*trace.notes, f"{truth.path} says nothing of this host"))


def _truths(truth: Sheet | None, hosts: Collection[str]) -> Mapping[str, Iterator[Cells]]:
    if truth is None:
        return {}
    known = _by_host(truth, REQUIRED)
    if len(known) == len(hosts) == 1 and ANY in {*known, *hosts}:
        return dict(zip(hosts, known.values(), strict=True))
    if ANY in known:
        problem = "needs a column host: the measurements beside it are of several"
        raise RecordingError(truth.path, problem)
    if ANY in hosts:
        problem = "is the truth of several hosts: the measurements beside it need a column host"
        raise RecordingError(truth.path, problem)
    return known


def _by_host(sheet: Sheet, columns: Collection[str]) -> dict[str, Iterator[Cells]]:
    """Rows by host, each with the header before them."""
    if HOST not in sheet.names:
        header = (sheet.header, [*sheet.names])
        return {ANY: chain([header], sheet.rows(columns))}
    place = [*sheet.names].index(HOST)
    rows: dict[str, list[Cells]] = {}
    for number, cells in sheet.rows({*columns, HOST}):
        host = cells.pop(place)
        if not host:
            raise RecordingError(sheet.path, f"{sheet.place} {number} names no host")
        header = (sheet.header, [name for name in sheet.names if name != HOST])
        rows.setdefault(host, [header]).append((number, cells))
    if not rows:
        raise RecordingError(sheet.path, "holds a header only")
    return {host: iter(each) for host, each in rows.items()}
