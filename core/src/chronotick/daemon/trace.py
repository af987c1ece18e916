"""The debug trace: everything the daemon saw, asked and decided, as JSON lines in a file.

Lines are made and written by a thread of their own. Whoever notes something puts references into a
bounded queue and goes on; what does not fit is counted and told, in the file and in the log. What
is wrong with the file never stops the clock.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import queue
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, ParamSpec

from chronotick.shm.clocks import raw_ns as raw_now_ns

FORMAT: Final = "chronotick-trace"
VERSION: Final = 1
MAGIC: Final = b'{"format":"chronotick-trace"'  # how the first line begins
WAITING = 1024  # notes in memory: minutes of them at usual rates, about 20 MB
FAREWELL = 512  # bytes kept free for the last line
LAST_WORDS_S = 5.0  # how long the end of the daemon waits for the disk
OLD_SUFFIX = ".1"  # the trace before, of which one is kept

Line = Mapping[str, Any]
P = ParamSpec("P")

_log = logging.getLogger("chronotick.trace")


class TraceFileError(Exception):
    """Raised when a file cannot be written as a trace; the message is a sentence."""


@dataclass(frozen=True, slots=True)
class _Note:
    """Something to be written."""

    raw_ns: int
    make: Callable[[], Line]


class Trace:
    """Writes a trace until it is closed, its size is reached or the file fails.

    Args:
        path: of the file; a trace that is there becomes ``PATH.1``.
        header: what stands in the first line besides the format.
        max_bytes: size at which it ends.

    Raises:
        TraceFileError: the file cannot be written, or holds something else.
    """

    def __init__(self, path: Path, header: Line, max_bytes: int) -> None:
        self.path = path
        self.dropped = 0
        self._max_bytes = max_bytes
        self._size = 0
        self._told = 0
        self._ended = False
        self._notes: queue.Queue[_Note | None] = queue.Queue(WAITING)
        self._file = _opened(path)
        try:
            self._append(encoded({"format": FORMAT, "version": VERSION, **header}))
        except OSError as error:
            os.close(self._file)
            raise TraceFileError(_unwritable(path, error)) from error
        self._thread = threading.Thread(target=self._run, name="trace", daemon=True)
        self._thread.start()

    def note(self, make: Callable[P, Line], *args: P.args, **kwargs: P.kwargs) -> None:
        """Write what a function makes of its arguments; returns at once.

        The function is called in another thread, so nobody may change its arguments any more.
        """
        if self._ended:
            return
        try:
            self._notes.put_nowait(_Note(raw_now_ns(), partial(make, *args, **kwargs)))
        except queue.Full:
            self.dropped += 1

    def close(self) -> None:
        """Write what is queued and end the file; gives up after a while on a disk that hangs."""
        if self._thread.is_alive():
            with contextlib.suppress(queue.Full):
                self._notes.put(None, timeout=LAST_WORDS_S)
            self._thread.join(LAST_WORDS_S)

    def _run(self) -> None:
        try:
            while not self._ended and (noted := self._notes.get()) is not None:
                self._tell_dropped()
                self._write(noted)
            self._end("the daemon stopped")
        except OSError as error:
            _log.warning("%s. The daemon goes on without a trace", _unwritable(self.path, error))
        finally:
            self._ended = True
            os.close(self._file)
            self._forget_notes()

    def _forget_notes(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                self._notes.get_nowait()

    def _write(self, noted: _Note) -> None:
        try:
            made = noted.make()
            line = encoded({"kind": made["kind"], "raw_ns": noted.raw_ns, **made})
        except Exception:  # noqa: BLE001 - it is logged whole, and costs no other line
            _log.exception("a line of the trace could not be made: a mistake")
            return
        if self._size + len(line) > self._max_bytes - FAREWELL:
            size_mb = self._max_bytes / 1e6
            self._end(f"its size of {size_mb:g} MB is reached")
            _log.warning("the trace %s ended: its size of %g MB is reached", self.path, size_mb)
        else:
            self._append(line)

    def _tell_dropped(self) -> None:
        if self.dropped > self._told:
            count, self._told = self.dropped - self._told, self.dropped
            self._append(encoded({"kind": "dropped", "raw_ns": raw_now_ns(), "lines": count}))
            _log.warning("the disk is too slow for the trace: %d lines were dropped", count)

    def _end(self, reason: str) -> None:
        if not self._ended:
            self._ended = True
            line = {"kind": "end", "raw_ns": raw_now_ns(), "reason": reason}
            self._append(encoded({**line, "dropped": self.dropped}))

    def _append(self, line: bytes) -> None:
        """Write a whole line, or nothing of it.

        Raises:
            OSError: it cannot be written.
        """
        rest = memoryview(line)
        try:
            while rest:
                rest = rest[os.write(self._file, rest) :]
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self._size)
            raise
        self._size += len(line)


def encoded(line: Line) -> bytes:
    """A line of the file.

    Raises:
        TypeError, ValueError: it holds what JSON cannot.
    """
    return json.dumps(line, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def _opened(path: Path) -> int:
    """Make the file anew, for its owner alone, and hold it against other daemons."""
    try:
        _set_aside(path)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise TraceFileError(_unwritable(path, error)) from error
    return descriptor


def _set_aside(path: Path) -> None:
    """Rename the trace before; what is no trace is never touched."""
    old = path.with_name(path.name + OLD_SUFFIX)
    if not os.path.lexists(path):
        return
    for each in (path, old):
        if os.path.lexists(each):
            _check_is_trace(each)
    path.replace(old)


def _check_is_trace(path: Path) -> None:
    if path.is_symlink() or not path.is_file():
        raise TraceFileError(f"the trace cannot be written: {path} is no regular file")
    with path.open("rb") as file:
        begin = file.read(len(MAGIC))
        if begin not in {b"", MAGIC}:
            raise TraceFileError(
                f"the trace cannot be written: {path} is there and is no trace. Name another file"
            )
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TraceFileError(
                f"the trace cannot be written: another daemon is writing {path}. Name another file"
            ) from None


def _unwritable(path: Path, error: OSError) -> str:
    return f"the trace {path} cannot be written: {error.strerror or error}"
