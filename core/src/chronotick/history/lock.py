"""One daemon per history: an advisory lock that ends with its process, however that ends."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

_PATIENCE_S = 0.02  # with one who only looks: see refuse_held


class LockedError(Exception):
    """Raised when another process holds a lock.

    Attributes:
        holder: its process id as it wrote it down, or an empty text.
    """

    def __init__(self, holder: str) -> None:
        super().__init__(f"held by process {holder}" if holder else "held by another process")
        self.holder = holder


def refuse_held(path: Path) -> None:
    """Look whether another process holds a lock; its file is not made, nothing is kept.

    For that moment the lock is shared, for which :class:`FileLock` has patience.

    Raises:
        LockedError: one does.
        OSError: the file cannot be opened or locked.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        _lock(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


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
            _lock(self._descriptor, fcntl.LOCK_EX)
        except LockedError:
            time.sleep(_PATIENCE_S)
            _lock(self._descriptor, fcntl.LOCK_EX)
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)


def _lock(descriptor: int, kind: int) -> None:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
        raise LockedError(holder) from error
