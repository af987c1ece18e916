"""What an offset really was: tables that the simulator writes, or a reference clock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from chronotick.lab.recordings.decimals import is_missing, nanoseconds
from chronotick.lab.recordings.errors import CellError, RecordingError
from chronotick.lab.recordings.opening import content, text_lines
from chronotick.lab.recordings.tables import rows_of_cells

TIME, OFFSET = REQUIRED = ("t_local_s", "offset_s")

Vector = NDArray[np.float64]


def read_truth(path: str, optional: Sequence[str] = ()) -> Mapping[str, Vector]:
    """Read a table with ``t_local_s`` and ``offset_s``.

    Args:
        path: of the table; ``-`` is standard input.
        optional: other columns to read, where it has them; empty cells are NaN there.

    Returns:
        Nanoseconds by column; times ascend.

    Raises:
        RecordingError: it cannot be read.
    """
    return truth_of_rows(path, rows_of_cells(path, text_lines(path, content(path))), optional)


def truth_of_rows(
    path: str, numbered: Iterator[tuple[int, list[str]]], optional: Sequence[str] = ()
) -> Mapping[str, Vector]:
    """Read rows of cells, of which the first is the header; see :func:`read_truth`.

    Raises:
        RecordingError: a column is missing, a cell is no number, or time goes back.
    """
    first, names = next(numbered)
    if not set(REQUIRED) <= set(names):
        raise RecordingError(path, "the truth needs a header with t_local_s and offset_s", first)
    wanted = {n: names.index(n) for n in (*REQUIRED, *optional) if n in names}
    values: dict[str, list[float]] = {name: [] for name in wanted}
    lines = []
    for number, cells in numbered:
        lines.append(number)
        for name, index in wanted.items():
            values[name].append(_value(path, number, name, cells[index]))
    columns = {name: np.array(column) for name, column in values.items()}
    if not lines:
        raise RecordingError(path, "the truth has a header only: its times must ascend")
    back = np.diff(columns[TIME]) <= 0
    if back.any():
        raise RecordingError(path, "the truth's times must ascend", lines[int(back.argmax()) + 1])
    return columns


def _value(path: str, line: int, name: str, text: str) -> float:
    if is_missing(text) and name not in REQUIRED:
        return float("nan")  # chrony did not run yet
    try:
        return float(nanoseconds(text, name))
    except CellError as error:
        raise RecordingError(path, error.problem, line, error.column) from None
