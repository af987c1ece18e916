"""What can be wrong with the record's file. ``chronotick.client.errors`` has all exceptions."""

from __future__ import annotations

from os import PathLike


class ChronoTickError(Exception):
    """Base of everything ChronoTick raises on purpose."""


class RecordError(ChronoTickError):
    """Raised when a file cannot serve as the record: not ours, damaged or out of reach.

    Attributes:
        path: the file.
    """

    def __init__(self, path: PathLike[str], problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path


class RecordMissing(RecordError):  # noqa: N818 - says what is the case, as FileNotFoundError does
    """Raised when there is no record at the path, or an empty one that nobody has written yet."""


class RecordHeld(RecordError):  # noqa: N818 - same
    """Raised when a second daemon wants to write a record that a living one holds.

    Attributes:
        path: the record.
        pid: process that holds it; 0 when it has not said so yet.
    """

    def __init__(self, path: PathLike[str], pid: int) -> None:
        super().__init__(
            path,
            f"held by process {pid or 'unknown'}; stop it or choose another path "
            "with --shm/CHRONOTICK_SHM",
        )
        self.pid = pid
