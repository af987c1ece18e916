"""The one writer of the record: a seqlock in a file that it alone may write.

Algorithm: odd sequence, payload, even sequence (H.-J. Boehm, "Can seqlocks get along with
programming language memory models?", MSPC 2012). ``docs/record.md`` says what readers may rely on.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import struct
import zlib
from dataclasses import replace
from pathlib import Path

from chronotick.shm import clocks
from chronotick.shm.file import open_for_writing, same_file
from chronotick.shm.layout import BODY, OFFSETS, SIZE, Status
from chronotick.shm.record import (
    SERVING,
    Record,
    continued,
    is_void,
    pack,
    require_plausible,
    unpack,
)

try:
    from chronotick.shm import _creader
except ImportError:  # built without a compiler

    def _fence() -> None:
        """Do nothing: x86-64 keeps stores in order, and elsewhere readers check the CRC."""
else:
    _fence = _creader.fence


LATE_NS = 20_000
"""A continuation computed longer ago than this is computed again: with a slew of 500 ppm it would
be 10 ns off, less than two reads of the clock are apart."""

ATTEMPTS = 3
"""How often it is computed at most. From the second time on that happens while readers wait, so it
is no longer off for them; on a host this slow, going on would only keep them waiting."""

_TAIL = slice(BODY.start, SIZE)
_INTEGER = struct.Struct("@q")
_VOID_AFTER = OFFSETS["void_after_raw_ns"] - BODY.start
_NUMBERS = struct.Struct("@II")  # crc32, writer_pid
_SEQUENCE_MASK = (1 << 64) - 1


class RecordWriter:
    """Creates or takes over the record and publishes into it.

    The file is never unlinked or shrunk: readers map it. It stays behind when the writer closes,
    and the next one continues its sequence. An exclusive lock keeps it to one writer at a time.

    Args:
        path: the file.

    Raises:
        RecordHeld: another living process writes this record.
        RecordError: the file is not a record of ours, or the directory cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._file = -1
        self._last: Record | None = None
        self._body: bytearray  # what readers see now: bytes 8 to 119 of the file
        self._take(first_sequence=0)

    def last(self) -> Record | None:
        """Return the record that stands in the file, also one left by an earlier daemon.

        None: nothing was ever published there, or what was there had been cut off in the middle.
        """
        return self._last

    def write(self, record: Record) -> Record:
        """Publish a record and return what readers now see (``confidence`` to 1/65535).

        While ``epoch`` is that of the record before and both serve time, the anchor is moved to the
        instant of publication and lifted onto the old line if the new one is below it: served time
        never steps back within an epoch.

        Raises:
            ValueError: the record could not be read by anyone (NaN, overflow); readers keep the
                one before.
        """
        published, when_ns, body = self._prepare(record)
        try:
            self._begin()
            self._store(body)
            for _ in range(ATTEMPTS - 1):
                if clocks.raw_ns() - when_ns <= LATE_NS:
                    break
                published, when_ns, body = self._prepare(record)  # we were held up
                self._store(body)
        except BaseException:
            self._store(self._body)
            raise
        finally:
            self._end()
        self._last, self._body = published, bytearray(body)
        return published

    def renew(self, validity_ns: int) -> None:
        """Publish that the last record holds for so long from now on.

        A record is a line that readers extrapolate: one that still holds needs no other numbers.
        This costs a fifth of :meth:`write`.

        Raises:
            ValueError: nothing was published yet.
        """
        if self._last is None:
            raise ValueError("there is no record to renew: write one first")
        _INTEGER.pack_into(self._body, _VOID_AFTER, clocks.raw_ns() + validity_ns)
        self._publish_body()

    def ensure_in_place(self) -> bool:
        """Make a new file if somebody removed ours; return whether that was so.

        (logind does it when the daemon's user logs out, RemoveIPC=yes.) Readers of the removed
        file are told at once that it says nothing any more, and find the new one. A file that was
        cut off is made whole: its mapping still works, but nobody could open it, nor a next writer.

        Raises:
            RecordHeld: another process has made a record there in the meantime.
            RecordError: something else stands there now.
        """
        found = os.fstat(self._file)
        if found.st_size != SIZE:
            self._make_whole()
        if same_file(found, self.path):
            return False
        last = self._last
        self._retire()
        self._release()
        self._take(first_sequence=self._sequence)
        if last is not None:
            self.write(last)
        return True

    def close(self) -> None:
        """Tell readers that nobody publishes any more and release the lock. The file stays."""
        if self._file < 0:
            return
        self._make_whole()
        self._retire()
        self._release()

    def _make_whole(self) -> None:
        """Give the file its length again, if it was cut off or grew."""
        with contextlib.suppress(OSError):  # a full disk: the mapping is none the worse
            os.ftruncate(self._file, SIZE)

    def _take(self, first_sequence: int) -> None:
        self._file = open_for_writing(self.path)
        self._map = mmap.mmap(self._file, SIZE)
        self._bytes = memoryview(self._map)
        self._words = self._bytes.cast("Q")  # one aligned 8-byte access; struct would copy bytes
        self._pid = os.getpid()
        self._sequence = max(first_sequence, self._words[0])
        self._last = self._recovered()
        self._body = bytearray(pack(self._last or Record()))
        self._publish_body()

    def _publish_body(self) -> None:
        try:
            self._begin()
            self._store(self._body)
        finally:
            self._end()

    def _begin(self) -> None:
        self._sequence = (self._sequence + 1) | 1  # odd also after a writer that died on the way
        self._words[0] = self._sequence & _SEQUENCE_MASK
        _fence()

    def _end(self) -> None:
        _fence()
        self._sequence = (self._sequence | 1) + 1  # even also if _begin() was interrupted
        self._words[0] = self._sequence & _SEQUENCE_MASK

    def _recovered(self) -> Record | None:
        body = bytes(self._bytes[BODY])
        crc, _ = _NUMBERS.unpack(self._bytes[BODY.stop :])
        if crc != zlib.crc32(body):
            return None
        found = unpack(body)
        return None if found == Record() else found

    def _prepare(self, record: Record) -> tuple[Record, int, bytes]:
        require_plausible(record)
        when_ns = clocks.raw_ns()
        last = self._last
        if (
            last is not None
            and last.epoch == record.epoch
            and last.status in SERVING
            and record.status in SERVING
            and not is_void(last, when_ns)
            and not is_void(record, when_ns)
        ):
            record = continued(record, last, when_ns)
        return record, when_ns, pack(record)

    def _store(self, body: bytes | bytearray) -> None:
        self._bytes[_TAIL] = body + _NUMBERS.pack(zlib.crc32(body), self._pid)

    def _retire(self) -> None:
        if self._last is None:
            return
        self.write(replace(self._last, status=Status.UNKNOWN, void_after_raw_ns=clocks.raw_ns()))

    def _release(self) -> None:
        self._words.release()
        self._bytes.release()
        self._map.close()
        os.close(self._file)
        self._file = -1
