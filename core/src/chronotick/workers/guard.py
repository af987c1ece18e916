"""Who uses or builds a directory: file locks between processes, on a file beside the directory.

The kernel gives a lock back when its holder dies, however it dies, so nothing is ever left locked.
"""

from __future__ import annotations

import errno
import fcntl
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from chronotick.workers.errors import EnvironmentProblem

SUFFIX: Final = ".lock"
_POLL_S: Final = 0.2
_READ_ONLY: Final = (errno.EROFS, errno.EACCES, errno.EPERM)


def lock_file(directory: Path) -> Path:
    """Return the file whose lock stands for a directory."""
    return directory.with_name(directory.name + SUFFIX)


def share(directory: Path) -> int | None:
    """Keep a directory from being removed or rebuilt; returns a descriptor to close at the end.

    ``None`` where the directory lies on storage that cannot be written to and has no lock file:
    nobody can remove anything there.
    """
    try:
        return _locked(lock_file(directory), os.O_RDONLY | os.O_CREAT, fcntl.LOCK_SH)
    except OSError as error:
        if error.errno not in _READ_ONLY:
            raise
    with suppress(FileNotFoundError):
        return _locked(lock_file(directory), os.O_RDONLY, fcntl.LOCK_SH)
    return None


def claim(directory: Path) -> int | None:
    """Take a directory for oneself; ``None`` when somebody uses or builds it."""
    try:
        return _locked(lock_file(directory), os.O_RDWR | os.O_CREAT, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return None


@contextmanager
def claimed(
    directory: Path, cancelled: threading.Event, on_wait: Callable[[], None]
) -> Iterator[int]:
    """Hold a directory, existing or not, for oneself alone; yields the descriptor of the lock.

    A process that inherits the descriptor holds the lock too, should this one be killed.

    Args:
        directory: to be built, or changed.
        cancelled: gives up waiting when set.
        on_wait: called when another process holds it, once.

    Raises:
        EnvironmentProblem: cancelled while another process held it.
    """
    directory.parent.mkdir(parents=True, exist_ok=True)
    descriptor = claim(directory)
    if descriptor is None:
        on_wait()
    while descriptor is None:
        if cancelled.wait(_POLL_S):
            raise EnvironmentProblem("", "waiting for it was cancelled.", "Start again.")
        descriptor = claim(directory)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def remove_lock(directory: Path) -> bool:
    """Remove the lock file of a directory that is gone; false when somebody holds it."""
    descriptor = claim(directory)
    if descriptor is None:
        return False
    try:
        if directory.exists():  # built since
            return False
        lock_file(directory).unlink(missing_ok=True)
        return True
    finally:
        os.close(descriptor)


def _locked(path: Path, flags: int, operation: int) -> int:
    """Open and lock a file; again when it was removed between the two.

    A lock on a file that is no longer there guards nothing: the next process makes a new one.
    """
    while True:
        descriptor = os.open(path, flags | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, operation)
            if _is_at(descriptor, path):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
