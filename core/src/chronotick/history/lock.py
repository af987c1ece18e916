"""One daemon per history: an advisory lock that ends with its process, however that ends."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


class LockedError(Exception):
    """Raised when another process holds a lock.

    Attributes:
        holder: its process id as it wrote it down, or an empty text.
    """

    def __init__(self, holder: str) -> None:
        super().__init__(f"held by process {holder}" if holder else "held by another process")
        self.holder = holder


class FileLock:
    """An exclusive lock on a file beside the one it protects, which SQLite may rename or rewrite.

    Args:
        path: the lock's own file, made if need be and left in place.

    Raises:
        LockedError: another process holds it.
        OSError: it cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            self._acquire()
        except BaseException:
            os.close(self._descriptor)
            raise

    def release(self) -> None:
        """Let the next one in. May be called again."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _acquire(self) -> None:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(self._descriptor, 20, 0).decode("ascii", "replace").strip()
            raise LockedError(holder) from error
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)
