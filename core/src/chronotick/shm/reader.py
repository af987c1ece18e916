"""Reading the record in pure Python: standard library only, no lock, no system call per read."""

from __future__ import annotations

import mmap
import os
import platform
import struct
import time
import zlib
from pathlib import Path

from chronotick.shm import clocks
from chronotick.shm.errors import RecordError
from chronotick.shm.file import open_for_reading, same_file
from chronotick.shm.layout import BODY, SIZE
from chronotick.shm.paths import default_record_path
from chronotick.shm.record import Record, unpack

ORDERED = platform.machine().lower() in {"x86_64", "amd64"}
"""Whether the processor keeps loads and stores in order; elsewhere the CRC tells torn reads."""

_NUMBERS = struct.Struct("@II")  # crc32, writer_pid
_TRIES = 50  # some microseconds: a publication takes less
_WAITS = 100  # then the writer is being held up; meanwhile it may need this processor, or the GIL
_WAIT_S = 50e-6


class RecordReader:
    """A read-only mapping of the record.

    Args:
        path: the file; default: :func:`chronotick.shm.paths.default_record_path`.
        descriptor: an open descriptor of that file, to be mapped instead of opening the path; it
            stays the caller's.

    Raises:
        RecordMissing: there is no such file, or nothing in it yet.
        RecordError: it cannot be read, or is not a record of this layout version.

    Attributes:
        retries: attempts that met the writer in the middle of a record, or a newer one, and were
            made again.
    """

    def __init__(self, path: Path | None = None, *, descriptor: int | None = None) -> None:
        self.path = Path(path) if path else default_record_path()
        self.retries = 0
        opened = open_for_reading(self.path) if descriptor is None else descriptor
        try:
            self._place = os.fstat(opened)
            self._mapping = mmap.mmap(opened, SIZE, access=mmap.ACCESS_READ)
        finally:
            if descriptor is None:
                os.close(opened)
        self._bytes = memoryview(self._mapping)
        self._words = self._bytes.cast("Q")  # one aligned 8-byte access; struct would copy bytes
        self._last = (0, Record())  # swapped as one: threads share a reader
        self._given_up = 0  # an odd sequence whose writer did not come back; 0: never written

    def snapshot(self) -> Record:
        """Return the newest whole record.

        For a writer that is being held up in the middle of a publication it waits up to some 10 ms.
        If that one died, the result is the last whole record this reader has seen: it ages like
        any other and ends at its ``void_after_raw_ns``.

        Raises:
            RecordError: there was never a whole one.
        """
        return self.newest()[1]

    def read(self) -> tuple[Record, int]:
        """Return the newest whole record and CLOCK_MONOTONIC_RAW (ns) read while it was current.

        Raises:
            RecordError: as :meth:`snapshot`.
        """
        _, record, raw_ns = self.newest()
        return record, raw_ns

    def newest(self) -> tuple[int, Record, int]:
        """Return what :meth:`read` does, behind the sequence number of the record.

        Raises:
            RecordError: as :meth:`snapshot`.
        """
        words, last = self.words, self._last
        for attempt in range(_TRIES + _WAITS):
            sequence = words[0]
            if sequence == self._given_up:
                break
            record = last[1] if sequence == last[0] else self._load(sequence)
            if record is not None:
                raw_ns = clocks.raw_ns()
                if words[0] == sequence:  # else a newer record was due at that instant
                    self._last = sequence, record
                    return sequence, record, raw_ns
            self.retries += 1
            if attempt >= _TRIES:
                time.sleep(_WAIT_S)
        return (*self._without_writer(), clocks.raw_ns())

    @property
    def words(self) -> memoryview:
        """The record as native 8-byte words; ``words[0]`` is the sequence, read in one access."""
        return self._words

    @property
    def writer_pid(self) -> int:
        """Process that wrote, or is writing, the record."""
        return int(_NUMBERS.unpack(self._bytes[BODY.stop :])[1])

    def is_current(self) -> bool:
        """Whether the path still leads to the mapped file (it may have been removed and remade)."""
        return same_file(self._place, self.path)

    def close(self) -> None:
        """Unmap. Reading afterwards raises ``ValueError``."""
        self._words.release()
        self._bytes.release()
        self._mapping.close()

    def _load(self, sequence: int) -> Record | None:
        if sequence & 1:
            return None
        content = bytes(self._bytes)
        if self._words[0] != sequence:
            return None
        body = content[BODY]
        if not ORDERED and zlib.crc32(body) != _NUMBERS.unpack(content[BODY.stop :])[0]:
            return None
        return unpack(body)

    def _without_writer(self) -> tuple[int, Record]:
        sequence = self._words[0]
        if sequence & 1:
            self._given_up = sequence
        if not self._last[0]:
            raise RecordError(
                self.path,
                f"process {self.writer_pid} died while it wrote the first record, or was stopped; "
                "run: chronotick run",
            )
        return self._last
