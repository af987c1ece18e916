"""Deleting what is too old, a little at a time."""

from __future__ import annotations

import sqlite3

_AGED = ("measurements", "forecasts", "transitions", "readings")
_KEPT_BOOTS = 8
_CHUNK_ROWS = 5000  # a few milliseconds of work between two commits
_VACUUM_PAGES = 500
_NS_PER_DAY = 86_400 * 10**9


def delete_aged(connection: sqlite3.Connection, retention_days: float) -> int:
    """Delete one chunk of rows older than the retention; returns how many.

    Age counts from the newest selected measurement, not from the system clock: a clock that
    jumps to 2099 must not empty the history. Call again until it returns 0.
    """
    connection.execute(
        "DELETE FROM clock_state WHERE rowid NOT IN"
        " (SELECT rowid FROM clock_state ORDER BY rowid DESC LIMIT ?)",
        (_KEPT_BOOTS,),
    )
    newest = connection.execute(
        "SELECT unix_ns FROM measurements WHERE selected ORDER BY unix_ns DESC LIMIT 1"
    ).fetchone()
    if newest is None:
        return 0
    limit = newest[0] - round(retention_days * _NS_PER_DAY)
    deleted = sum(
        connection.execute(
            f"DELETE FROM {table} WHERE rowid IN"  # noqa: S608 - constants
            f" (SELECT rowid FROM {table} WHERE unix_ns < ? LIMIT {_CHUNK_ROWS})",
            (limit,),
        ).rowcount
        for table in _AGED
    )
    if deleted:
        # Each step of the statement frees one page; execute() would take only the first.
        connection.executescript(f"PRAGMA incremental_vacuum({_VACUUM_PAGES})")
    return deleted
