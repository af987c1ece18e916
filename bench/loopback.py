"""Accuracy against a real ``chronyd -x`` on loopback, where the true offset is exactly zero.

Prints the time until the first usable and the first synchronised reading, and the distribution of
|served - system| over the run beside the uncertainty of the comparison itself (the two clock reads
around each served reading) and the bound. Takes a little over a minute.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from chronotick.client import ChronoTick, ChronoTickError, Now
from chronotick.ntp.testing import running_chronyd
from chronotick.shm.layout import Status


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=90.0, help="length of the run")
    parser.add_argument("--settle", type=float, default=60.0, help="when errors begin to count")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, running_chronyd() as port:
        directory = Path(name)
        environ = os.environ | {
            "CHRONOTICK_SHM": str(directory / "record"),
            "CHRONOTICK_CONTROL": str(directory / "control.sock"),
            "CHRONOTICK_HISTORY__PATH": str(directory / "history.sqlite3"),
        }
        command = [sys.executable, "-m", "chronotick", "run", "--server", f"127.0.0.1:{port}"]
        started = time.monotonic()
        daemon = subprocess.Popen(command, env=environ, stderr=subprocess.DEVNULL)
        try:
            report(ChronoTick(directory / "record"), started, arguments)
        finally:
            daemon.terminate()
            daemon.wait()


def tightest(clock: ChronoTick) -> tuple[int, Now, int]:
    """A served reading between two system readings, the closest together of ten.

    The first after a sleep takes tens of microseconds, which are not the clock's error.
    """
    triples = [
        (time.time_ns(), clock.now(allow_unsynchronised=True), time.time_ns()) for _ in range(10)
    ]
    return min(triples, key=lambda triple: triple[2] - triple[0])


def report(clock: ChronoTick, started: float, arguments: argparse.Namespace) -> None:
    first: dict[str, float] = {}
    errors, gaps, outside, reads = [], [], 0, 0
    while (elapsed := time.monotonic() - started) < arguments.seconds:
        time.sleep(0.01)
        try:
            before, now, after = tightest(clock)
        except ChronoTickError:
            continue
        if now.status not in {Status.WARMING_UP, Status.SYNCHRONISED}:
            continue
        first.setdefault("usable", elapsed)
        if now.status is Status.SYNCHRONISED:
            first.setdefault("synchronised", elapsed)
        reads += 1
        outside += now.earliest_ns > after or now.latest_ns < before
        if elapsed >= arguments.settle:
            errors.append(abs(now.estimate_ns - (before + after) // 2) / 1e3)
            gaps.append((after - before) / 2e3)
    print(f"first usable time     {first['usable']:.2f} s after start (bar: 5 s)")
    print(f"synchronised          {first['synchronised']:.2f} s after start")
    print(f"reads                 {reads}, system time outside the bound in {outside} (bar: 0)")
    print(f"after {arguments.settle:g} s, in us:    median     p99     max   (bar: max 20)")
    for label, values in (("|served - system|", errors), ("comparison itself", gaps)):
        values.sort()
        middle, high = values[len(values) // 2], values[int(len(values) * 0.99)]
        print(f"  {label:18} {middle:8.2f} {high:8.2f} {values[-1]:8.2f}")


if __name__ == "__main__":
    main()
