"""Whether anybody publishes: seen in the record itself, not in which processes run."""

from __future__ import annotations

import contextlib
import os
import sys
import zlib
from pathlib import Path
from typing import Final

from chronotick.shm.layout import BODY, OFFSETS, SIZE
from chronotick.shm.record import unpack

KEPT: Final = 4
"""So many files are looked at."""
_CRC: Final = slice(OFFSETS["crc32"], OFFSETS["crc32"] + 4)


class Publications:
    """Looks at a record, and at the files that stood in its place before: readers may have those.

    It reads and never maps: a file that is cut off must not end who looks.

    Args:
        path: the record.
        validity_ns: for how long each record holds from its publication on.
    """

    def __init__(self, path: Path, validity_ns: int) -> None:
        self._path, self._validity_ns = path, validity_ns
        self._files: dict[tuple[int, int], int] = {}  # (device, inode) to descriptor

    def look(self) -> None:
        """Take note of the file that is the record now; to be called several times a second."""
        with contextlib.suppress(OSError):
            file = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            found = os.fstat(file)
            if self._files.setdefault((found.st_dev, found.st_ino), file) != file:
                os.close(file)
        while len(self._files) > KEPT:
            os.close(self._files.pop(next(iter(self._files))))

    def any_since(self, raw_ns: int) -> bool:
        """Whether a record was published after this instant."""
        return any(self._published_ns(file) > raw_ns for file in self._files.values())

    def close(self) -> None:
        """Look no more."""
        for file in self._files.values():
            os.close(file)
        self._files.clear()

    def _published_ns(self, file: int) -> int:
        """When the record in a file was published; before all time if there is no whole one."""
        content = os.pread(file, SIZE, 0)
        body = content[BODY]
        whole = len(content) == SIZE
        if not whole or zlib.crc32(body) != int.from_bytes(content[_CRC], sys.byteorder):
            return -1
        return unpack(body).void_after_raw_ns - self._validity_ns
