"""The database's tables and how older ones become the present ones."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence

APPLICATION_ID = 0x43544B48  # "CTKH" in the file's header: this database is a ChronoTick history

# Each entry brings a database from the version that is its index to the next. Entries are never
# changed once released; a new version is a new entry.
_MIGRATIONS: Sequence[str] = (
    """
    CREATE TABLE measurements (
        id INTEGER PRIMARY KEY,
        boot_id TEXT NOT NULL,
        unix_ns INTEGER NOT NULL,
        source TEXT NOT NULL,
        raw_ns INTEGER NOT NULL,
        offset_ns INTEGER NOT NULL,
        delay_ns INTEGER NOT NULL,
        precision_ns INTEGER NOT NULL,
        root_delay_ns INTEGER NOT NULL,
        root_dispersion_ns INTEGER NOT NULL,
        stratum INTEGER NOT NULL,
        leap INTEGER NOT NULL,
        reference_id INTEGER NOT NULL,
        stamps TEXT NOT NULL,
        authenticated INTEGER NOT NULL,
        selected INTEGER NOT NULL
    );
    CREATE INDEX measurements_by_boot ON measurements (boot_id, raw_ns);
    CREATE INDEX measurements_by_time ON measurements (unix_ns);

    CREATE TABLE forecasts (
        id INTEGER PRIMARY KEY,
        boot_id TEXT NOT NULL,
        unix_ns INTEGER NOT NULL,
        model TEXT NOT NULL,
        predictor TEXT NOT NULL,
        issued_raw_ns INTEGER NOT NULL,
        horizon_ns INTEGER NOT NULL,
        predicted_offset_ns INTEGER NOT NULL,
        sigma_s REAL,
        error_s REAL,
        measurement_id INTEGER,
        scored_raw_ns INTEGER
    );
    CREATE INDEX forecasts_by_time ON forecasts (unix_ns);

    CREATE TABLE transitions (
        id INTEGER PRIMARY KEY,
        boot_id TEXT NOT NULL,
        raw_ns INTEGER NOT NULL,
        unix_ns INTEGER NOT NULL,
        before TEXT NOT NULL,
        after TEXT NOT NULL,
        reason TEXT NOT NULL
    );
    CREATE INDEX transitions_by_time ON transitions (unix_ns);

    CREATE TABLE scores (
        name TEXT PRIMARY KEY,
        unix_ns INTEGER NOT NULL,
        body TEXT NOT NULL,
        crc32 INTEGER NOT NULL
    );

    CREATE TABLE clock_state (
        boot_id TEXT PRIMARY KEY,
        raw_ns INTEGER NOT NULL,
        unix_ns INTEGER NOT NULL,
        body TEXT NOT NULL,
        crc32 INTEGER NOT NULL
    );
    """,
    """
    CREATE TABLE readings (
        id INTEGER PRIMARY KEY,
        boot_id TEXT NOT NULL,
        raw_ns INTEGER NOT NULL,
        unix_ns INTEGER NOT NULL,
        status TEXT NOT NULL,
        system_minus_utc_ns INTEGER NOT NULL,
        bound_ns INTEGER NOT NULL,
        sigma_ns INTEGER NOT NULL,
        frequency REAL NOT NULL,
        coverage REAL NOT NULL,
        weights TEXT NOT NULL
    );
    CREATE INDEX readings_by_time ON readings (unix_ns);
    """,
    """
    CREATE TABLE kept (
        name TEXT PRIMARY KEY,
        unix_ns INTEGER NOT NULL,
        body TEXT NOT NULL,
        crc32 INTEGER NOT NULL
    );
    """,
)

VERSION = len(_MIGRATIONS)


def _made_by(version: int) -> list[str]:
    """Names of the tables that a database of a version has."""
    return re.findall(r"CREATE TABLE (\w+)", "".join(_MIGRATIONS[:version]))


TABLES = tuple(_made_by(VERSION))


class NewerVersionError(Exception):
    """Raised when a database was written by a later version of ChronoTick."""


class ForeignDatabaseError(Exception):
    """Raised when a database belongs to another program."""


def version_of(connection: sqlite3.Connection) -> int:
    """The database's version, 0 for an empty one; changes nothing.

    Raises:
        NewerVersionError: it is from a later version.
        ForeignDatabaseError: it is not a history.
        sqlite3.DatabaseError: it cannot be read, or its header and tables contradict each other.
    """
    version, owner = _pragma(connection, "user_version"), _pragma(connection, "application_id")
    present = _tables(connection)
    if owner != APPLICATION_ID and present and not present & set(TABLES):
        raise ForeignDatabaseError(f"its tables are {', '.join(sorted(present))}")
    if version > VERSION:
        raise NewerVersionError(f"schema version {version}, this program knows {VERSION}")
    missing = set(_made_by(version)) - present
    if version != 0 and missing:
        raise sqlite3.DatabaseError(f"tables missing: {', '.join(sorted(missing))}")
    if present and (version <= 0 or owner != APPLICATION_ID):
        raise sqlite3.DatabaseError("header damaged")
    return version


def prepare(connection: sqlite3.Connection) -> None:
    """Create the tables, or bring them up to date; all of it or nothing.

    Args:
        connection: in autocommit mode (``isolation_level=None``).

    Raises:
        NewerVersionError, ForeignDatabaseError: see :func:`version_of`.
        sqlite3.Error: it is damaged or cannot be written.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        for script in _MIGRATIONS[version_of(connection) :]:
            for statement in script.split(";"):
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _tables(connection: sqlite3.Connection) -> set[str]:
    rows = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
    return {str(name) for (name,) in rows}


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])
