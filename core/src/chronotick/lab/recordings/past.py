"""The daemon's own history: what it measured, exactly as it measured it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

from chronotick.history import StoredMeasurement, reading
from chronotick.history.queries import measurements_since
from chronotick.history.tables import ForeignDatabaseError, NewerVersionError, version_of
from chronotick.lab.recordings.errors import RecordingError
from chronotick.lab.recordings.remarks import Remarks

_EVERYTHING = -(2**62)  # before the first instant of any clock
_BOOTS = (
    "SELECT boot_id, count(*), min(unix_ns), max(unix_ns) FROM measurements"
    " GROUP BY boot_id ORDER BY min(unix_ns)"
)


def read_past(path: str, boot: str | None, remarks: Remarks) -> Iterator[StoredMeasurement]:
    """Read the measurements of one boot, selected or not.

    Args:
        path: of the database. A daemon may be writing it.
        boot: beginning of the boot's identifier; ``None``: the only one.
        remarks: what was noticed.

    Raises:
        RecordingError: it is no history, or the boot cannot be told.
    """
    with _history(path) as connection:
        chosen = _chosen(path, connection.execute(_BOOTS).fetchall(), boot)
        stored = measurements_since(connection, chosen, _EVERYTHING)
    remarks.note(f"boot {chosen}; when a reply was there is taken as half a delay after its middle")
    yield from stored


def boots(path: str) -> tuple[str, ...]:
    """Identifiers of the boots of which a history holds measurements, the oldest first.

    Raises:
        RecordingError: it is no history.
    """
    with _history(path) as connection:
        return tuple(boot for boot, *_ in connection.execute(_BOOTS))


@contextmanager
def _history(path: str) -> Iterator[sqlite3.Connection]:
    try:
        with reading(Path(path)) as connection:
            version_of(connection)
            yield connection
    except NewerVersionError as error:
        raise RecordingError(path, f"was written by a later version ({error})") from error
    except ForeignDatabaseError as error:
        raise RecordingError(path, f"is another program's database ({error})") from error
    except (sqlite3.Error, UnicodeDecodeError) as error:  # its own messages quote the damage
        raise RecordingError(path, f"cannot be read as a history ({error})") from error


def _chosen(path: str, boots: list[tuple[str, int, int, int]], wanted: str | None) -> str:
    if not boots:
        raise RecordingError(path, "holds no measurements")
    fitting = [boot for boot in boots if wanted is None or boot[0].startswith(wanted)]
    if len(fitting) == 1:
        return fitting[0][0]
    listed = "; ".join(_described(*boot) for boot in fitting or boots)
    if not fitting:
        raise RecordingError(path, f"has no boot {wanted}. There are: {listed}")
    raise RecordingError(path, f"has several boots. Choose one with --boot: {listed}")


def _described(boot: str, count: int, first_ns: int, last_ns: int) -> str:
    return f"{boot} ({count} measurements, {_date(first_ns)} to {_date(last_ns)})"


def _date(unix_ns: int) -> str:
    return datetime.fromtimestamp(unix_ns * 1e-9, tz=timezone.utc).strftime("%Y-%m-%dT%H:%MZ")
