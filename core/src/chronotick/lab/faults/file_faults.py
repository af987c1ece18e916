"""Damage to files."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from pathlib import Path
from random import Random
from typing import Final

from chronotick.shm.layout import OFFSETS, SIZE

_CHUNK: Final = 1 << 20
_BLOCKS: Final = 20
_BLOCK: Final = 512
_COMPANIONS: Final = ("", "-wal", "-shm")  # what SQLite keeps beside a database


def fill(filler: Path) -> str:
    """Take all that is left of a file system."""
    written = 0
    with filler.open("wb", buffering=0) as file:
        for size in (_CHUNK, 4096, 1):
            with contextlib.suppress(OSError):
                while True:
                    written += file.write(bytes(size))
    if not written and shutil.disk_usage(filler.parent).free:
        raise OSError(errno.EIO, "the disk cannot be filled", str(filler))
    return f"{written} bytes taken"


def scribble(database: Path, random: Random) -> str:
    """Overwrite blocks here and there; the first one, which has the header, in one case of four."""
    size = database.stat().st_size
    places = [random.randrange(max(1, size - _BLOCK)) for _ in range(_BLOCKS)]
    if random.random() < 0.25:  # noqa: PLR2004 - one case of four
        places.append(0)
    with database.open("r+b", buffering=0) as file:
        for place in places:
            os.pwrite(file.fileno(), random.randbytes(_BLOCK), place)
    return f"{len(places)} blocks of {size} bytes"


def cut(database: Path, random: Random) -> str:
    """Cut a file off somewhere."""
    size = database.stat().st_size
    left = random.randrange(max(1, size))
    os.truncate(database, left)
    return f"{left} of {size} bytes left"


def remove(path: Path, _random: Random) -> str:
    """Remove a file, and what SQLite keeps beside it."""
    for ending in _COMPANIONS:
        Path(f"{path}{ending}").unlink(missing_ok=True)
    return ""


def sweep(database: Path) -> None:
    """Remove damaged databases that were set aside: an hour of faults leaves many."""
    for aside in database.parent.glob(f"{database.name}.corrupt-*"):
        aside.unlink(missing_ok=True)


def overwrite_record(record: Path, random: Random) -> str:
    """Write a record's length of noise over it."""
    with record.open("r+b", buffering=0) as file:
        os.pwrite(file.fileno(), random.randbytes(SIZE), 0)
    return ""


def spoil_record(record: Path, random: Random) -> str:
    """Write noise over all that a record says, and leave that it is one."""
    with record.open("r+b", buffering=0) as file:
        os.pwrite(file.fileno(), random.randbytes(OFFSETS["magic"]), 0)
    return ""


def empty(record: Path, _random: Random) -> str:
    """Leave nothing in a file. Who maps it is killed by SIGBUS when it looks."""
    os.truncate(record, 0)
    return ""


def halve(record: Path, _random: Random) -> str:
    """Cut a record in the middle. Who maps it sees zeros in place of the rest, and may write."""
    os.truncate(record, SIZE // 2)
    return ""


def put_copy(record: Path, _random: Random) -> str:
    """Put a copy in the record's place, as a restored backup does."""
    copy = record.with_name("copy")
    shutil.copy(record, copy)
    copy.replace(record)
    return ""
