"""A reader in Python that knows the true time, as a process of its own.

    python -m chronotick.lab.faults.reader RECORD VALIDITY_NS [pure]

reads as an application does (:class:`chronotick.client.served.ServedClock`), checks each answer
against CLOCK_REALTIME, and writes the lines of
:mod:`chronotick.lab.faults.observations`. It ends when its standard input does.
"""

from __future__ import annotations

import select
import sys
import time
import zlib
from pathlib import Path
from typing import Final

from chronotick.client.errors import ChronoTickError, ClockUnsynchronised, DaemonUnavailable
from chronotick.client.served import ServedClock
from chronotick.lab.faults.observations import Outcome
from chronotick.shm.clocks import raw_ns
from chronotick.shm.layout import BODY, OFFSETS, Status
from chronotick.shm.now import Now
from chronotick.shm.reader import RecordReader
from chronotick.shm.record import READY, Record, is_void, time_at, unpack

READS: Final = 200
"""In one go."""
PURE_READS: Final = 40
PAUSE_S: Final = 0.005
STALE_NS: Final = 1_000_000_000
"""A record published longer ago is stale, though it still holds."""
_SECOND_NS: Final = 1_000_000_000
_CRC: Final = slice(OFFSETS["crc32"], OFFSETS["crc32"] + 4)


class RecordWatcher:
    """Sees which record stands in the file, beside the reader that is checked."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reader: RecordReader | None = None
        self._sequence = 0
        self._record: Record | None = None

    def __str__(self) -> str:
        """What it sees, for messages."""
        return f"{self.sequence} {self._record}"

    @property
    def current(self) -> bool:
        """Whether the path leads to what is looked at."""
        return self._reader is not None and self._reader.is_current()

    @property
    def sequence(self) -> int:
        """Of the record in the file; 0: there is none."""
        return self._reader.words[0] if self._reader is not None else 0

    def record_of(self, sequence: int) -> Record | None:
        """The record that stands in the file, if it has this sequence and was taken note of."""
        return self._record if sequence == self._sequence == self.sequence else None

    def look(self) -> str:
        """Take note of a new record; returns lines on it, if there is one."""
        if not self.current:
            self._open()
        sequence = self.sequence
        if self._reader is None or sequence in {0, self._sequence} or sequence & 1:
            return ""
        content = self._reader.words.tobytes()
        if self.sequence != sequence:
            return ""
        self._sequence, self._record = sequence, unpack(content[BODY])
        sound = zlib.crc32(content[BODY]) == int.from_bytes(content[_CRC], sys.byteorder)
        return self._sample() if sound else f"torn {raw_ns()} {sequence}\n"

    def _sample(self) -> str:
        if self._reader is None:
            return ""
        record, at_ns = self._reader.read()
        if record.status not in READY or is_void(record, at_ns):
            return ""
        return f"sample {at_ns} {record.epoch} {time_at(record, at_ns)}\n"

    def _open(self) -> None:
        self._sequence, self._record = 0, None
        if self._reader is not None:
            self._reader.close()
        try:
            self._reader = RecordReader(self._path)
        except ChronoTickError:
            self._reader = None


class Checker:
    """Reads in bursts and checks each answer.

    Args:
        path: the record.
        validity_ns: how long a record holds.
        pure: use the reader in Python.
    """

    def __init__(self, path: Path, validity_ns: int, *, pure: bool) -> None:
        self._clock, self._watcher = ServedClock(path, pure=pure), RecordWatcher(path)
        self._validity_ns, self._reads = validity_ns, PURE_READS if pure else READS
        self._counts, self._spent_ns = [0] * len(Outcome), [0] * len(Outcome)
        self._outside = self._backward = self._torn = self._untyped = 0
        self._fullest = 0.0
        self._before: tuple[int, int] | None = None  # epoch, served time
        self._good_ns, self._was_good = 0, False
        self._ended_ns = raw_ns()

    def burst(self) -> None:
        """Read as fast as it goes, some hundred times."""
        began_ns = raw_ns()
        self._look()
        outcome = Outcome.UNAVAILABLE
        for _ in range(self._reads):
            outcome = self._read()
            self._counts[outcome] += 1
            if outcome is Outcome.UNAVAILABLE:
                break
        self._note_edge(began_ns, good=outcome <= Outcome.STALE)
        time.sleep(PAUSE_S)
        now_ns = raw_ns()
        self._spent_ns[outcome] += now_ns - self._ended_ns
        self._ended_ns = now_ns

    def count(self) -> str:
        """What was seen so far, as a line."""
        found = [sum(self._counts), self._outside, self._backward, self._torn, self._untyped]
        numbers = [f"{self._fullest:.6f}", *self._counts, *self._spent_ns]
        return " ".join(map(str, ["count", raw_ns(), *found, *numbers])) + "\n"

    def _read(self) -> Outcome:
        sequence, before_ns = self._watcher.sequence, time.time_ns()
        try:
            now = self._clock.now()
        except DaemonUnavailable:
            return Outcome.UNAVAILABLE
        except ClockUnsynchronised:
            return Outcome.UNSYNCHRONISED
        except Exception as error:  # noqa: BLE001 - that it is another one is the finding
            self._untyped += 1
            sys.stdout.write(f"untyped {raw_ns()} {error!r}\n")
            return Outcome.UNAVAILABLE
        after_ns = time.time_ns()
        self._check(now, before_ns, after_ns)
        record = self._watcher.record_of(sequence)
        if record is None:  # published since: of this read nobody can say which record it was
            self._look()
            return Outcome.HOLDOVER if now.status is Status.HOLDOVER else Outcome.FRESH
        self._check_order(now, record.epoch)
        if raw_ns() - (record.void_after_raw_ns - self._validity_ns) > STALE_NS:
            return Outcome.STALE
        return Outcome.HOLDOVER if now.status is Status.HOLDOVER else Outcome.FRESH

    def _look(self) -> None:
        told = self._watcher.look()
        self._torn += told.startswith("torn")
        sys.stdout.write(told)

    def _check(self, now: Now, before_ns: int, after_ns: int) -> None:
        off_ns = max(before_ns - now.estimate_ns, now.estimate_ns - after_ns)
        half_ns = (now.latest_ns - now.earliest_ns) / 2 + 1
        self._fullest = max(self._fullest, off_ns / half_ns)
        if now.earliest_ns > after_ns or now.latest_ns < before_ns:
            self._outside += 1
            sys.stdout.write(
                f"outside {raw_ns()} {now.earliest_ns} {now.latest_ns} {before_ns} {after_ns} "
                f"{now.status} {self._watcher}\n"
            )

    def _check_order(self, now: Now, epoch: int) -> None:
        before = self._before
        self._before = epoch, now.estimate_ns
        if before is None or before[0] != epoch or now.estimate_ns >= before[1]:
            return
        if self._watcher.current:  # else its epoch may be another file's
            self._backward += 1
            sys.stdout.write(
                f"backward {raw_ns()} {now.estimate_ns} {before[1]} {epoch} {self._watcher}\n"
            )

    def _note_edge(self, began_ns: int, *, good: bool) -> None:
        if good:
            self._good_ns = began_ns
        if good is not self._was_good:
            self._was_good = good
            sys.stdout.write(f"edge {self._good_ns} {int(good)}\n")


def main() -> None:
    """Read until standard input ends."""
    path, validity_ns, *pure = sys.argv[1:]
    checker = Checker(Path(path), int(validity_ns), pure=bool(pure))
    reported_ns = 0
    while not select.select([sys.stdin], [], [], 0)[0]:
        checker.burst()
        if raw_ns() - reported_ns > _SECOND_NS:
            reported_ns = raw_ns()
            sys.stdout.write(checker.count())
        sys.stdout.flush()
    sys.stdout.write(checker.count())
    sys.stdout.flush()


if __name__ == "__main__":
    main()
