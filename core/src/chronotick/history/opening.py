"""Opening a history whatever is found at its path: the clock must start."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from chronotick.history.connect import connect, reading
from chronotick.history.lock import FileLock, LockedError, refuse_held
from chronotick.history.store import History
from chronotick.history.tables import ForeignDatabaseError, NewerVersionError, version_of
from chronotick.history.writer import MAINTENANCE_INTERVAL_S, HistoryUnavailableError

_FULL_CHECK_BYTES = 128 * 2**20  # about half a second; quick_check takes half of that
_COMPANIONS = ("", "-wal", "-shm")
# Errors (sqlite3.OperationalError) that are the surroundings' fault, not the file's. By their text:
# Python 3.10 does not pass the code on.
_SURROUNDINGS = (
    "locked",
    "full",
    "disk i/o",
    "unable to open",
    "access permission",
    "out of memory",
)


@dataclass(frozen=True, slots=True)
class OpenedHistory:
    """A history that works, and what had to be done for it.

    Attributes:
        history: the open history.
        messages: what the operator should know; empty when all went well.
    """

    history: History
    messages: tuple[str, ...]


class _UnusableError(Exception):
    """Raised when the file at the path must be left alone; the message says why."""


class _DamagedError(Exception):
    """Raised when the file is to be set aside.

    Attributes:
        mark: first part of the new ending: ``corrupt`` or ``newer``.
    """

    def __init__(self, message: str, mark: str = "corrupt") -> None:
        super().__init__(message)
        self.mark = mark


def open_history(
    path: Path,
    retention_days: float,
    *,
    interval_s: float = 1.0,
    maintenance_s: float = MAINTENANCE_INTERVAL_S,
) -> OpenedHistory:
    """Open the history at a path, or the best that can be had instead.

    A damaged file, and one from a later version, is renamed (nothing is deleted) and a new one is
    begun. Where a file may not be used at all (another daemon has it, it is no file or another
    program's database, its directory cannot be written), the history lasts as long as the process.

    Args:
        path: the database; its directory is made if need be.
        retention_days: see :class:`History`.
        interval_s: time between commits, in seconds.
        maintenance_s: time between deletions of old rows, in seconds.
    """
    messages: list[str] = []
    lock: FileLock | None = None
    try:
        _make_directory(path)
        _check_place(path)
        lock = _lock(path)
        _make_usable(path, messages)
        history = History(
            path,
            retention_days,
            interval_s=interval_s,
            maintenance_s=maintenance_s,
            lock=lock,
        )
    except (_UnusableError, HistoryUnavailableError) as error:
        if lock is not None:
            lock.release()
        messages.append(
            f"history: {error}. Nothing will be remembered after this process ends; the clock is"
            " not affected. Set history.path to choose another file"
        )
        history = History(None, retention_days, interval_s=interval_s, maintenance_s=maintenance_s)
    return OpenedHistory(history, tuple(messages))


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a file cannot be used as it is.

    Attributes:
        words: that, in a sentence.
        aside: what it is called once :func:`open_history` has set it aside; empty if it will not.
    """

    words: str
    aside: str = ""


def diagnose(path: Path) -> Trouble | None:
    """What would keep :func:`open_history` from using a file that is there.

    Nothing is written or made, but for this: to read a ``-wal`` that lies there without its
    ``-shm``, SQLite makes one. That a program which is no daemon has the file locked is not seen
    unless there is a ``-wal``.
    """
    if not os.path.lexists(path):
        return None
    try:
        _check_place(path)
        try:
            _examine(path, _only_reading)
        finally:  # whoever has it explains whatever was found: he may be writing
            _refuse_held(path)
    except _UnusableError as error:
        return Trouble(str(error))
    except _DamagedError as error:
        return Trouble(f"{path} {error}", f"{path.name}.{error.mark}-…")
    return None


def _make_directory(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _UnusableError(f"{path} cannot be used: {error.strerror}") from error


def _check_place(path: Path) -> None:
    try:
        kind = path.stat().st_mode if os.path.lexists(path) else stat.S_IFREG
    except OSError as error:
        raise _UnusableError(f"{path} cannot be used: {error.strerror}") from error
    if stat.S_ISDIR(kind):
        raise _UnusableError(f"{path} is a directory")
    if not stat.S_ISREG(kind):
        raise _UnusableError(f"{path} is not a regular file")


def _lock(path: Path) -> FileLock:
    try:
        return FileLock(_lock_of(path))
    except LockedError as error:
        raise _in_use(path, error) from error
    except OSError as error:
        message = f"{path.parent} cannot be written: {error.strerror}"
        raise _UnusableError(message) from error


def _refuse_held(path: Path) -> None:
    try:
        refuse_held(_lock_of(path))
    except LockedError as error:
        raise _in_use(path, error) from error
    except OSError as error:
        raise _UnusableError(f"{_lock_of(path)} cannot be used: {error.strerror}") from error


def _lock_of(path: Path) -> Path:
    return path.with_name(path.name + ".lock")


def _in_use(path: Path, error: LockedError) -> _UnusableError:
    holder = f" (process {error.holder})" if error.holder else ""
    return _UnusableError(f"{path} is in use by another daemon{holder}")


def _make_usable(path: Path, messages: list[str]) -> None:
    """Leave a sound database, or none, at the path."""
    try:
        _examine(path, _writing)
    except _DamagedError as error:
        aside = _set_aside(path, error.mark)
        messages.append(
            f"history: {path} {error}. It was kept as {aside.name} and a new one is begun"
        )


def _writing(path: Path) -> AbstractContextManager[sqlite3.Connection]:
    return closing(connect(path))


def _only_reading(path: Path) -> AbstractContextManager[sqlite3.Connection]:
    waiting = (Path(f"{path}{ending}") for ending in ("-wal", "-journal"))
    return reading(path, unwritten=not any(_has_content(each) for each in waiting))


def _has_content(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


def _examine(
    path: Path, opened: Callable[[Path], AbstractContextManager[sqlite3.Connection]]
) -> None:
    try:
        with opened(path) as connection:
            version_of(connection)
            found = connection.execute(_check_for(path)).fetchone()[0]
    except NewerVersionError as error:
        raise _DamagedError(f"was written by a later version ({error})", "newer") from error
    except ForeignDatabaseError as error:
        message = f"{path} is another program's database ({error}) and is left alone"
        raise _UnusableError(message) from error
    except sqlite3.OperationalError as error:
        if _is_surroundings(path, str(error)):
            raise _UnusableError(f"{path} cannot be used: {error}") from error
        raise _DamagedError(f"is damaged ({error})") from error
    except sqlite3.Error as error:
        raise _DamagedError(f"is damaged ({error})") from error
    if found != "ok":
        raise _DamagedError(f"is damaged ({found.splitlines()[-1]})")


def _check_for(path: Path) -> str:
    """The full check where it is quick: `quick_check` does not see a damaged index."""
    full = path.stat().st_size < _FULL_CHECK_BYTES
    return f"PRAGMA {'integrity_check' if full else 'quick_check'}(1)"


def _is_surroundings(path: Path, message: str) -> bool:
    if "readonly" in message:  # also said of a file whose header is damaged
        return not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK))
    return any(text in message.lower() for text in _SURROUNDINGS)


def _set_aside(path: Path, mark: str) -> Path:
    """Rename the database and what SQLite keeps beside it; returns the new path."""
    now = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    aside = path.with_name(f"{path.name}.{mark}-{now}")
    number = 1
    while os.path.lexists(aside):
        number += 1
        aside = path.with_name(f"{path.name}.{mark}-{now}-{number}")
    try:
        for ending in _COMPANIONS:
            part = Path(f"{path}{ending}")
            if os.path.lexists(part):
                part.rename(f"{aside}{ending}")
    except OSError as error:
        message = f"{path} is damaged and cannot be renamed: {error.strerror}"
        raise _UnusableError(message) from error
    return aside
