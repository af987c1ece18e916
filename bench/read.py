"""What a read costs, as ratios against `time.time()` measured in the same run.

Each repeat measures every function once, in turn, so that whatever else the machine does hits all
of them; the ratio is that of the medians. Run: `python bench/read.py [--repeats N] [--calls N]`.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
import timeit
from collections.abc import Callable
from pathlib import Path

from chronotick.client.session import ChronoTick
from chronotick.shm.fast import HAVE_C_READER
from chronotick.shm.testing import good_record
from chronotick.shm.writer import RecordWriter

BASE = "time.time()"
BARS = {"time(), C": 1.2, "now(), C": 3.0, "time(), Python": 10.0}


def subjects(path: Path) -> dict[str, Callable[[], object]]:
    named: dict[str, Callable[[], object]] = {BASE: time.time, "time.time_ns()": time.time_ns}
    kinds = {"C": False, "Python": True} if HAVE_C_READER else {"Python": True}
    for kind, pure in kinds.items():
        clock = ChronoTick(path, pure=pure)
        named |= {
            f"time(), {kind}": clock.time,
            f"time_ns(), {kind}": clock.time_ns,
            f"now(), {kind}": clock.now,
        }
    return named


def measure(
    named: dict[str, Callable[[], object]], repeats: int, calls: int
) -> dict[str, list[float]]:
    """Nanoseconds per call of each function in each repeat."""
    taken: dict[str, list[float]] = {name: [] for name in named}
    for function in named.values():
        function()
    for _ in range(repeats):
        for name, function in named.items():
            taken[name].append(timeit.timeit(function, number=calls) / calls * 1e9)
    return taken


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=51)
    parser.add_argument("--calls", type=int, default=20_000)
    options = parser.parse_args()
    shm = "/dev/shm" if sys.platform == "linux" else None  # noqa: S108 - a private folder in it
    with tempfile.TemporaryDirectory(dir=shm) as folder:
        path = Path(folder) / "record"
        writer = RecordWriter(path)
        writer.write(good_record(valid_s=3600))
        taken = measure(subjects(path), options.repeats, options.calls)
        writer.close()
    base = statistics.median(taken[BASE])
    print(f"{'call':<18}{'ns':>9}{'ratio':>8}{'bar':>7}")
    met = True
    for name, times in taken.items():
        ns = statistics.median(times)
        bar = BARS.get(name)
        met &= bar is None or ns / base <= bar
        print(f"{name:<18}{ns:>9.1f}{ns / base:>8.2f}{bar or '':>7}")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
