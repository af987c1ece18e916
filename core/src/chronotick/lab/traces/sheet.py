"""A table as rows of text, whatever it is stored in: what CSV holds, all others can hold."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from chronotick.lab.recordings.tables import rows_of_cells

Cells = tuple[int, list[str]]


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table with a header.

    Attributes:
        path: of the file.
        place: what the number of a row counts: ``line``, or ``row`` where there are none.
        header: number of the header's line; 0 where there are no lines.
        names: of the columns.
        rows: returns an iterator over number and cells, once; cells of other columns than those
            that it is given may be empty.
    """

    path: str
    place: str
    header: int
    names: Sequence[str]
    rows: Callable[[Collection[str]], Iterator[Cells]]


def sheet_of_text(path: str, lines: Sequence[str]) -> Sheet:
    """Return the table that lines of text are.

    Raises:
        RecordingError: there is no header.
    """
    numbered = rows_of_cells(path, lines)
    header, names = next(numbered)
    return Sheet(path, "line", header, names, lambda _columns: numbered)
