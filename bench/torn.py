"""Torn and backward reads against a writer at full speed: both numbers must be 0.

A writer process publishes records whose fields all follow from one counter, without pause, slewing
up and down by 500 ppm in turn. Readers look for records whose fields do not fit together and for
time that steps back. Run: `python bench/torn.py [--reads N] [--python-reads N]`.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from chronotick.shm.fast import HAVE_C_READER, fast_reader
from chronotick.shm.reader import RecordReader
from chronotick.shm.record import time_at
from chronotick.shm.testing import is_torn, write_counted

HEADER_FOLDER = Path(__file__).parent.parent / "core" / "src" / "chronotick" / "shm"
LONGEST_RUN_S = 3600.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one reader saw; ``seen`` publications are -1 where it cannot tell."""

    reads: int
    seen: int
    torn: int
    backward: int
    seconds: float


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    with subprocess.Popen([sys.executable, __file__, "--write", str(path)]) as writer:
        try:
            while not path.exists() or path.stat().st_size == 0:
                time.sleep(0.01)
            time.sleep(0.2)
            yield
        finally:
            writer.kill()


def read_in_c(path: Path, reads: int) -> Outcome:
    source = Path(__file__).with_name("torn.c")
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "torn"
        compiler = shutil.which("cc") or "cc"
        build = [compiler, "-O2", f"-I{HEADER_FOLDER}", str(source), "-o", str(program)]
        subprocess.run(build, check=True)
        run = subprocess.run([program, path, str(reads)], check=True, capture_output=True)
    *counts, seconds = run.stdout.split()
    return Outcome(*map(int, counts), float(seconds))


def read_in_python(path: Path, reads: int) -> Outcome:
    reader = RecordReader(path)
    seen, torn, backward, served_ns, last = 0, 0, 0, 0, None
    began = time.perf_counter()
    for _ in range(reads):
        record, raw_ns = reader.read()
        if record is not last:
            seen, torn, last = seen + 1, torn + is_torn(record), record
        time_ns = time_at(record, raw_ns)
        backward += time_ns < served_ns
        served_ns = time_ns
    return Outcome(reads, seen, torn, backward, time.perf_counter() - began)


def read_fast(path: Path, reads: int, *, pure: bool) -> Outcome:
    def slow(*_: object) -> int:
        raise RuntimeError("the writer has ended: no time")

    reader = fast_reader(slow, slow, slow, pure=pure)  # type: ignore[arg-type]
    descriptor = os.open(path, os.O_RDONLY)
    reader.attach(descriptor)
    os.close(descriptor)
    read, served_ns, backward = reader.time_ns, 0, 0
    began = time.perf_counter()
    for _ in range(reads):
        time_ns = read()
        backward += time_ns < served_ns
        served_ns = time_ns
    return Outcome(reads, -1, 0, backward, time.perf_counter() - began)


def report(name: str, outcome: Outcome) -> bool:
    seen = f"{outcome.seen:>12,}" if outcome.seen >= 0 else f"{'-':>12}"
    torn = f"{outcome.torn:>6}" if outcome.seen >= 0 else f"{'-':>6}"
    print(
        f"{name:<34}{outcome.reads:>13,}{seen}{torn}{outcome.backward:>10}{outcome.seconds:>9.2f}"
    )
    return outcome.torn == outcome.backward == 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reads", type=int, default=100_000_000, help="of the C program")
    parser.add_argument("--python-reads", type=int, default=3_000_000)
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        write_counted(options.write, LONGEST_RUN_S)
        return 0
    print(f"{'reader':<34}{'reads':>13}{'seen':>12}{'torn':>6}{'backward':>10}{'s':>9}")
    shm = "/dev/shm" if sys.platform == "linux" else None  # noqa: S108 - a private folder in it
    with tempfile.TemporaryDirectory(dir=shm) as folder, writing(Path(folder) / "record"):
        path = Path(folder) / "record"
        good = [report("C, chronotick.h", read_in_c(path, options.reads))]
        if HAVE_C_READER:
            outcome = read_fast(path, options.python_reads, pure=False)
            good.append(report("time_ns() of the extension", outcome))
        outcome = read_fast(path, options.python_reads, pure=True)
        good.append(report("time_ns() in Python", outcome))
        good.append(report("RecordReader", read_in_python(path, options.python_reads)))
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
