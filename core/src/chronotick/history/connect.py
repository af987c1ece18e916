"""Connections to the history's database."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from chronotick.history.tables import prepare, version_of

BUSY_TIMEOUT_S = 1.0
_WAL_LIMIT_BYTES = 16 * 2**20


def connect(path: Path) -> sqlite3.Connection:
    """Open a database for writing, with its tables up to date.

    Raises:
        NewerVersionError, ForeignDatabaseError: see :func:`chronotick.history.tables.prepare`.
        sqlite3.Error: it is damaged, locked or cannot be written.
    """
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
    connection.text_factory = _text
    try:
        version_of(connection)  # before anything is changed in a file that is not ours
        # Only takes effect on a database without tables, before WAL mode is entered.
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA journal_size_limit = {_WAL_LIMIT_BYTES}")
        prepare(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def connect_memory() -> sqlite3.Connection:
    """Open a history that lasts as long as the process."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    prepare(connection)
    return connection


@contextmanager
def reading(path: Path, *, unwritten: bool = False) -> Iterator[sqlite3.Connection]:
    """A read-only connection to a history that a daemon may be writing at the same time.

    For use with the functions of :mod:`chronotick.history.queries`.

    Args:
        path: the database.
        unwritten: nobody writes to it, and nothing waits beside it in a ``-wal``: SQLite then makes
            no files of its own there.

    Raises:
        sqlite3.Error: there is no such database, or it cannot be read.
    """
    address = f"{path.absolute().as_uri()}?mode=ro{'&immutable=1' if unwritten else ''}"
    with closing(sqlite3.connect(address, uri=True, timeout=BUSY_TIMEOUT_S)) as connection:
        connection.text_factory = _text
        yield connection


def _text(stored: bytes) -> str:
    """A flipped bit in one row's text must not make the others unreadable."""
    return stored.decode("utf-8", "replace")
