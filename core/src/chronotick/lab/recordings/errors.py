"""What is wrong with a recording."""

from __future__ import annotations


class RecordingError(Exception):
    """Raised when a recording cannot be read, or holds what no clock and network can have made.

    Attributes:
        path: the recording; ``-`` is standard input.
        line: line of the file, counted from 1; ``None`` where it is about the whole file.
        column: of the table; empty where it is about the whole line or file.
        problem: what is wrong, and what to do.
    """

    def __init__(self, path: str, problem: str, line: int | None = None, column: str = "") -> None:
        self.path = path
        self.line = line
        self.column = column
        self.problem = problem
        places = (path, f"line {line}" if line else "", f"column {column}" if column else "")
        super().__init__(f"{', '.join(filter(None, places))}: {problem}")


class CellError(Exception):
    """Raised by readers of single cells; whoever knows file and line makes it a RecordingError.

    Attributes:
        problem: what is wrong, and what to do.
        column: of the table, if it is about one.
    """

    def __init__(self, problem: str, column: str = "") -> None:
        self.problem = problem
        self.column = column
        super().__init__(problem)
