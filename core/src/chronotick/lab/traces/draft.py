"""What a file came to, before names are made unique."""

from __future__ import annotations

from dataclasses import dataclass

from chronotick.lab.recordings.errors import RecordingError
from chronotick.lab.traces.trace import Trace, TraceProblem


@dataclass(frozen=True, slots=True)
class Draft:
    """A trace or a problem that may have to share its name.

    Attributes:
        item: its name is that of the file or series.
        suffix: tells traces of one file apart that have one name.
        host: as stated; empty: it is called as the file or series is.
        path: of the measurements, where the item is about another file.
    """

    item: Trace | TraceProblem
    suffix: str = ""
    host: str = ""
    path: str = ""


def problem_of(error: RecordingError, name: str, place: str = "line") -> TraceProblem:
    """Return an error as the problem of a trace; see :func:`reason_of`."""
    return TraceProblem(error.path, name, reason_of(error, place))


def reason_of(error: RecordingError, place: str = "line") -> str:
    """Return what an error says, without the path.

    Args:
        error: with the number of the row, if it is about one.
        place: what that number counts.
    """
    where = (
        f"{place} {error.line}" if error.line else "",
        f"column {error.column}" if error.column else "",
    )
    told = ", ".join(filter(None, where))
    return f"{told}: {error.problem}" if told else error.problem
