"""Corrected time of one record: a fast reader, and what happens where it has no answer.

Light to import: everything that a first read needs is imported by the first read.
"""

from __future__ import annotations

import os
import sys
import time
import warnings
from typing import TYPE_CHECKING

from chronotick.client.errors import ClockUnsynchronised, DaemonUnavailable, SystemTimeWarning
from chronotick.shm.errors import RecordError
from chronotick.shm.fast import fast_reader
from chronotick.shm.layout import Status
from chronotick.shm.now import Now

if TYPE_CHECKING:
    from pathlib import Path

    from chronotick.shm.reader import RecordReader
    from chronotick.shm.record import Record

_FOREVER_NS = (1 << 63) - 1  # bounds of an interval about which nothing is known


class ServedClock:
    """The clock that a record describes; the record is opened at the first read.

    ``time``, ``time_ns`` and ``now`` are the functions of the fast reader themselves, so a call
    costs nothing on top.

    Args:
        path: the record; default: :func:`chronotick.shm.paths.default_record_path`, at that time.
        pure: use the reader in Python even where the one in C is there.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None, *, pure: bool = False) -> None:
        self._chosen = path
        self._reader: RecordReader | None = None
        self._warned: set[tuple[type[Exception], int | None]] = set()
        self._fast = fast_reader(
            self._slow_time, self.served_or_system_ns, self._slow_now, pure=pure
        )
        self.time = self._fast.time
        self.time_ns = self._fast.time_ns
        self.now = self._fast.now

    @property
    def path(self) -> Path:
        """The record's file."""
        from pathlib import Path

        from chronotick.shm.paths import default_record_path

        return Path(self._chosen) if self._chosen else default_record_path()

    @property
    def retries(self) -> int:
        """Reads of the present file in Python that the writer was in the way of."""
        return self._reader.retries if self._reader else 0

    def read(self) -> tuple[Record, int]:
        """Return a record that serves time, and a RAW instant (ns) while it was the newest.

        Raises:
            DaemonUnavailable: there is no record, or its daemon has stopped publishing.
            ClockUnsynchronised: the daemon is there and has no time to offer.
        """
        from chronotick.shm.record import SERVING, is_void

        record, raw_ns = self.newest()
        if is_void(record, raw_ns):
            raise self._stale(record, raw_ns)
        if record.status not in SERVING:
            raise ClockUnsynchronised(
                f"the daemon has no time to offer: {_words(record.status)}; "
                "see what it says: chronotick status",
                record.status,
            )
        return record, raw_ns

    def serves(self) -> bool:
        """Whether there is time to be had from the record."""
        try:
            self.read()
        except (DaemonUnavailable, ClockUnsynchronised):
            return False
        return True

    def is_alive(self) -> bool:
        """Whether a daemon publishes, be it only that it has no time to offer."""
        try:
            self.read()
        except DaemonUnavailable:
            return False
        except ClockUnsynchronised:
            return True
        return True

    def served_or_system_ns(self) -> int:
        """Return served time, or with a warning system time (ns)."""
        from chronotick.shm.record import time_at

        try:
            record, raw_ns = self.read()
        except (DaemonUnavailable, ClockUnsynchronised) as reason:
            self.warn(reason)
            return time.time_ns()
        return time_at(record, raw_ns)

    def warn(self, reason: DaemonUnavailable | ClockUnsynchronised) -> None:
        """Say once why system time is used, and again when there is a new reason."""
        pid = self._reader.writer_pid if self._reader else None
        key = (type(reason), pid)
        if key not in self._warned:
            self._warned.add(key)
            warnings.warn(
                f"system time is used, uncorrected: {reason}",
                SystemTimeWarning,
                stacklevel=_frames_of_ours(),
            )

    def _slow_time(self) -> float:
        return self.served_or_system_ns() / 1e9

    def _slow_now(self, allow_unsynchronised: bool = False) -> Now:
        from chronotick.shm.record import interval_at

        try:
            record, raw_ns = self.read()
            self._check_vouched_for(record, allow_unsynchronised)
        except DaemonUnavailable:
            if not allow_unsynchronised:
                raise
            return _unbounded(Status.UNKNOWN)
        except ClockUnsynchronised as error:
            if not allow_unsynchronised:
                raise
            return _unbounded(error.status)
        return interval_at(record, raw_ns)

    def _check_vouched_for(self, record: Record, allow_warming_up: bool) -> None:
        from chronotick.shm.served import was_suspended

        if was_suspended(record):
            raise ClockUnsynchronised(
                "the host was suspended, and the daemon has not published since; try again",
                Status.DISRUPTED,
            )
        if record.status is Status.WARMING_UP and not allow_warming_up:
            raise ClockUnsynchronised(
                "the daemon is still warming up; wait for it (chronotick waitsync) or take what "
                "there is: now(allow_unsynchronised=True)",
                record.status,
            )

    def newest(self) -> tuple[Record, int]:
        """Return the newest record, whatever it says, and a RAW instant (ns) while it was.

        Raises:
            DaemonUnavailable: there is none.
        """
        from chronotick.shm.record import is_void

        reader = self._reader or self._open()
        try:
            record, raw_ns = reader.read()
            if is_void(record, raw_ns) and not reader.is_current():
                return self._open().read()  # the file was removed, perhaps made anew
        except RecordError as error:
            raise DaemonUnavailable(str(error), error.path, reader.writer_pid) from error
        return record, raw_ns

    def _open(self) -> RecordReader:
        from chronotick.shm.file import open_for_reading
        from chronotick.shm.reader import RecordReader

        path = self.path
        try:
            descriptor = open_for_reading(path)
        except RecordError as error:
            raise DaemonUnavailable(str(error), path) from error
        try:
            self._reader = RecordReader(path, descriptor=descriptor)
            self._fast.attach(descriptor)
        finally:
            os.close(descriptor)
        return self._reader

    def _stale(self, record: Record, raw_ns: int) -> DaemonUnavailable:
        reader = self._reader
        if reader is None:  # pragma: no cover - there is one when a record was read
            raise AssertionError
        pid = reader.writer_pid
        age_s = (raw_ns - record.anchor_raw_ns) / 1e9
        if record.void_after_raw_ns < 0:
            what = _without_time(pid)
        elif record.status is Status.UNKNOWN:
            what = f"the daemon (process {pid}) has stopped"
        elif age_s < 0:
            what = "the record is from before the last boot"
        else:
            what = f"process {pid} published last {age_s:.1f} s ago: it died or hangs"
        return DaemonUnavailable(f"{reader.path}: {what}; run: chronotick run", reader.path, pid)


def _unbounded(status: Status) -> Now:
    return Now(-_FOREVER_NS, _FOREVER_NS, time.time_ns(), _FOREVER_NS, status)


def _words(status: Status) -> str:
    return "clock disrupted" if status is Status.DISRUPTED else "no measurement yet"


def _without_time(pid: int) -> str:
    if _is_running(pid):
        return f"process {pid} has not published any time yet"
    return f"process {pid} has ended without ever publishing time"


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except PermissionError:  # another user's
        return True
    except (ProcessLookupError, OverflowError):
        return False
    return pid > 0  # 0: everybody in our own group


def _frames_of_ours() -> int:
    """How many frames up the first one is that does not belong to this package."""
    level, frame = 1, sys._getframe(1)  # noqa: SLF001 - warnings.warn counts frames, so must we
    while frame.f_back and frame.f_globals.get("__name__", "").startswith("chronotick."):
        level, frame = level + 1, frame.f_back
    return level
