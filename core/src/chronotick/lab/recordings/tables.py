"""Tables with a header: what the simulator writes, and what anybody can write.

``t_local_s, source, offset_s, delay_s, root_delay_s, root_dispersion_s, t1_s, t2_s, t3_s, t4_s`` or
any part of it that has a time (``t_local_s`` or ``t_s``) and ``offset_s``; ``uncertainty_s`` is the
largest error that the offset can have.
"""

from __future__ import annotations

import csv
import difflib
from collections.abc import Iterator, Sequence

from chronotick.lab.recordings.decimals import is_missing, nanoseconds
from chronotick.lab.recordings.errors import CellError, RecordingError
from chronotick.lab.recordings.recording import Row
from chronotick.lab.recordings.remarks import Remarks
from chronotick.lab.recordings.stamps import contradiction

TIMES = ("t_local_s", "t_s")
STAMPS = ("t1_s", "t2_s", "t3_s", "t4_s")
REQUIRED = "a table needs a header with t_s (or t_local_s) and offset_s, separated by commas"
KNOWN = (
    *TIMES,
    "source",
    "offset_s",
    "delay_s",
    "uncertainty_s",
    "root_delay_s",
    "root_dispersion_s",
    *STAMPS,
)
_UNITS = {"_ms": 1e3, "_us": 1e6, "_ns": 1e9}
ONE_SOURCE = "source"  # name of the server where a table names none


def read_table(path: str, lines: Sequence[str], remarks: Remarks) -> Iterator[Row]:
    """Read the rows of a table.

    Raises:
        RecordingError: the header lacks something, or a cell is no number.
    """
    return read_rows(path, rows_of_cells(path, lines), remarks)


def read_rows(
    path: str, numbered: Iterator[tuple[int, list[str]]], remarks: Remarks
) -> Iterator[Row]:
    """Read rows of cells, of which the first is the header.

    Raises:
        RecordingError: the header lacks something, or a cell is no number.
    """
    first, names = next(numbered)
    columns = _columns(path, names, first, remarks)
    for number, cells in numbered:
        try:
            row = _row(number, columns, cells, remarks)
        except CellError as error:
            raise RecordingError(path, error.problem, number, error.column) from None
        if row is not None:
            yield row


def rows_of_cells(path: str, lines: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield line number and cells of the header, then of each row; comments are passed over.

    Raises:
        RecordingError: there is no header, or a row has more or fewer cells than it.
    """
    width = None
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        cells = _cells(path, number, line, width)
        width = len(cells)
        yield number, cells
    if width is None:
        raise RecordingError(path, "holds nothing but comments")


def _columns(path: str, names: Sequence[str], line: int, remarks: Remarks) -> dict[str, int]:
    doubled = next((name for name in names if names.count(name) > 1), None)
    if doubled is not None:
        raise RecordingError(path, "there are two columns of that name", line, doubled)
    columns = {name: index for index, name in enumerate(names) if name in KNOWN}
    if "offset_s" not in columns or not set(TIMES) & columns.keys():
        raise RecordingError(path, _what_is_missing(names), line)
    extra = [name for name in names if name not in KNOWN and name]
    stamps = [name for name in STAMPS if name in columns]
    if stamps and len(stamps) < len(STAMPS):
        extra += stamps
        columns = {name: index for name, index in columns.items() if name not in STAMPS}
    if extra:
        remarks.note(f"columns not used: {', '.join(extra)}")
    return columns


def _what_is_missing(names: Sequence[str]) -> str:
    if len(names) == 1 and any(mark in names[0] for mark in ";\t|"):
        return f"{REQUIRED}; here something else separates them"
    for name in names:
        for ending, factor in _UNITS.items():
            plain = f"{name.removesuffix(ending)}_s"
            if name.endswith(ending) and plain in KNOWN:
                return f"{REQUIRED}. Divide {name} by {factor:.0f} and call it {plain}"
    near = [
        f"{name} (meant: {close[0]}?)"
        for name in names
        if name not in KNOWN and (close := difflib.get_close_matches(name, KNOWN, n=1))
    ]
    return f"{REQUIRED}; here it has {', '.join(near or names)[:200]}"


def _cells(path: str, number: int, line: str, width: int | None) -> list[str]:
    try:
        cells = [cell.strip() for cell in next(csv.reader([line], strict=True))]
    except csv.Error as error:
        raise RecordingError(path, f"is no row of a table ({error})", number) from None
    if width is not None and len(cells) != width:
        hint = ". A decimal comma? Write a point" if len(cells) > width else ". Was it cut off?"
        problem = f"has {len(cells)} cells, the header {width}{hint}"
        raise RecordingError(path, problem, number)
    return cells


def _row(line: int, columns: dict[str, int], cells: Sequence[str], remarks: Remarks) -> Row | None:
    missing = next((name for name, index in columns.items() if is_missing(cells[index])), None)
    if missing is not None:
        remarks.left_out(line, f"{missing} is empty or NaN")
        return None
    values = {
        name: nanoseconds(cells[index], name) for name, index in columns.items() if name != "source"
    }
    local_ns = values["t_local_s"] if "t_local_s" in values else values["t_s"]
    delay_ns = values.get("delay_s")
    problem = contradiction(values, local_ns) if "t1_s" in values else None
    if problem is not None:
        raise problem
    uncertainty_ns = values.get("uncertainty_s")
    if uncertainty_ns == 0:
        remarks.note("an uncertainty_s of 0 is taken as not stated: no measurement is perfect")
        uncertainty_ns = None
    return Row(
        line=line,
        source=cells[columns["source"]] if "source" in columns else ONE_SOURCE,
        local_ns=local_ns,
        arrived_ns=values.get("t4_s", local_ns + ((delay_ns or 0) + 1) // 2),
        offset_ns=values["offset_s"],
        delay_ns=delay_ns,
        uncertainty_ns=uncertainty_ns,
        root_delay_ns=values.get("root_delay_s", 0),
        root_dispersion_ns=values.get("root_dispersion_s", 0),
    )
