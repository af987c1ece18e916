"""What the daemon costs without models in workers: memory, and CPU at 100 publications per second.

CPU is the process' own time over the wall time of the same seconds; beside it stands the cost of a
bare loop of ``time.sleep`` at the same rate. Also: start-up of the imports that users feel.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from chronotick.ntp.testing import running_chronyd

SECONDS = 30.0
SETTLE = 10.0
TICKER = "import time\nwhile True:\n  time.sleep(0.01)"


def main() -> None:
    with tempfile.TemporaryDirectory() as name, running_chronyd() as port:
        directory = Path(name)
        environ = os.environ | {
            "CHRONOTICK_SHM": str(directory / "record"),
            "CHRONOTICK_CONTROL": str(directory / "control.sock"),
            "CHRONOTICK_HISTORY__PATH": str(directory / "history.sqlite3"),
        }
        chronotick = [sys.executable, "-m", "chronotick", "run", "--server", f"127.0.0.1:{port}"]
        daemon = subprocess.Popen(
            [*chronotick, "--freq", "100"], env=environ, stderr=subprocess.DEVNULL
        )
        ticker = subprocess.Popen([sys.executable, "-c", TICKER])
        try:
            time.sleep(SETTLE)
            measured, bare = cpu_shares(daemon.pid, ticker.pid)
            rss = psutil.Process(daemon.pid).memory_info().rss / 2**20
        finally:
            for process in (daemon, ticker):
                process.terminate()
                process.wait()
    print(f"daemon at 100 publications/s  {measured:6.2%} of a core (bar: 1 %)")
    print(f"bare time.sleep at 100 Hz     {bare:6.2%} of a core, ratio {measured / bare:.1f}")
    print(f"resident memory               {rss:6.1f} MiB (bar: 60 MB = 57.2 MiB)")
    print(f"import chronotick             {import_ms():6.1f} ms beyond a bare start (bar: 20)")
    print(f"chronotick --help             {help_ms():6.1f} ms in all (bar: 100)")


def cpu_shares(*pids: int) -> list[float]:
    processes = [psutil.Process(pid) for pid in pids]
    before, started = [sum(p.cpu_times()[:2]) for p in processes], time.monotonic()
    time.sleep(SECONDS)
    passed = time.monotonic() - started
    return [(sum(p.cpu_times()[:2]) - b) / passed for p, b in zip(processes, before, strict=True)]


def import_ms() -> float:
    return wall_ms(["-c", "import chronotick"]) - wall_ms(["-c", "pass"])


def help_ms() -> float:
    return wall_ms(["-m", "chronotick", "--help"])


def wall_ms(arguments: list[str]) -> float:
    def once() -> float:
        started = time.perf_counter()
        subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True)
        return (time.perf_counter() - started) * 1e3

    return statistics.median(once() for _ in range(15))


if __name__ == "__main__":
    main()
