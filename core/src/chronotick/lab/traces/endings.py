"""How files of traces are called."""

from __future__ import annotations

import re
from pathlib import Path

from chronotick.lab.traces.looking import is_file

TABLES = (".csv", ".csv.gz", ".parquet", ".pq")
PARQUET = (".parquet", ".pq")
ROWS = (".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz")
DATABASES = (".sqlite3", ".sqlite", ".db")
LOGS = (".log", ".log.gz")
OTHERS = (".json", ".txt", ".gz")
LOG_NAMES = ("measurements.log", "peerstats", "rawstats")
WORLD = "measurements"  # of the simulator: its folder has the name
WORLD_ENDINGS = (".csv.gz", ".csv", ".parquet", ".pq")
DESCRIPTION = "world.json"
RESULTS = "run.json"  # of `chronotick compare`: what lies beside it are rows, and no traces
_RESULTS_BEGIN = re.compile(rb'\s*\{\s*"format":\s*\d+,\s*"runs":')
_ENOUGH = 256  # bytes in which a file of results says what it is


def stem(name: str) -> str:
    """Name of a file without its ending."""
    known = (ending for ending in (*TABLES, *ROWS, *DATABASES, *LOGS, *OTHERS))
    found = max((each for each in known if name.lower().endswith(each)), key=len, default="")
    return name[: -len(found)] or name if found else name


def looks_like_a_trace(name: str) -> bool:
    """Whether a file of a directory is read without being named."""
    if name.startswith(LOG_NAMES):
        return True
    return name.lower().endswith((*TABLES, *ROWS, *DATABASES))


def world_in(directory: Path) -> Path | None:
    """Return the measurements of a simulated world that is in a directory."""
    files = (directory / f"{WORLD}{ending}" for ending in WORLD_ENDINGS)
    return next(filter(is_file, files), None)


def holds_results(directory: Path) -> bool:
    """Whether results of ``chronotick compare`` are in a directory."""
    try:
        with (directory / RESULTS).open("rb") as file:
            return _RESULTS_BEGIN.match(file.read(_ENOUGH)) is not None
    except OSError:
        return False


def is_world(path: Path) -> bool:
    """Whether a file is called as the measurements of a world."""
    return any(path.name == f"{WORLD}{ending}" for ending in WORLD_ENDINGS)


def default_name(path: str) -> str:
    """What the trace of a file is called: as the file, or the folder of a world."""
    file = Path(path)
    folder = file.absolute().parent.name
    return folder if is_world(file) and folder else stem(file.name)
