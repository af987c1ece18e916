"""How soon the daemon serves time, with and without three bad plugins installed.

``python bench/startup.py [--runs N] [--recommended]``. From the start of the process to the first
time a reader gets (status warming-up), and to ``synchronised``. The plugins: one raises, one sleeps
for 30 s and one holds the GIL for ever, each while it is imported. Runs with and without take
turns. ``--recommended`` starts as ``chronotick.start()`` does for a user without a file.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from chronotick.client import ChronoTick, ChronoTickError
from chronotick.ntp.testing import running_chronyd
from chronotick.shm.layout import Status
from chronotick.testing.installed import lay_out

BAD = {
    "broken": "raise RuntimeError('at import')",
    "slow": "import time; time.sleep(30)",
    "hanging": "import ctypes; ctypes.PyDLL(None).sleep(3600)",
}


def install(folder: Path) -> None:
    for name, source in BAD.items():
        module = f"plugin_{name}"
        lay_out(folder, f"plugin-{name}", {f"{module}.py": source}, entry_points={name: module})


def start_s(port: int, path: str, cache: Path, options: list[str]) -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        environ = os.environ | {
            "CHRONOTICK_SHM": str(directory / "record"),
            "CHRONOTICK_CONTROL": str(directory / "control.sock"),
            "CHRONOTICK_HISTORY__PATH": str(directory / "history.sqlite3"),
            "PYTHONPATH": path,
            "XDG_CACHE_HOME": str(cache),
        }
        command = [sys.executable, "-m", "chronotick", "run", "--server", f"127.0.0.1:{port}"]
        command += options
        started = time.perf_counter()
        daemon = subprocess.Popen(command, env=environ, stderr=subprocess.DEVNULL)
        try:
            usable_s = until(directory / "record", Status.WARMING_UP) - started
            synchronised_s = until(directory / "record", Status.SYNCHRONISED) - started
        finally:
            daemon.terminate()
            daemon.wait()
    return usable_s, synchronised_s


def until(record: Path, status: Status) -> float:
    while True:
        with suppress(ChronoTickError):
            if ChronoTick(record).now(allow_unsynchronised=True).status in {
                status,
                Status.SYNCHRONISED,
            }:
                return time.perf_counter()
        time.sleep(0.005)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--recommended", action="store_true", help="as chronotick.start() does")
    given = parser.parse_args()
    options = ["--recommended"] if given.recommended else []
    with tempfile.TemporaryDirectory() as name, running_chronyd() as port:
        site, cache = Path(name, "site"), Path(name, "cache")
        site.mkdir()
        install(site)

        def start(path: str) -> tuple[float, float]:
            return start_s(port, path, cache, options)

        start("")  # what is good is read and remembered, files are in the page cache
        pairs = [(start(""), start(str(site))) for _ in range(given.runs)]
    for index, what in enumerate(("first time served", "synchronised")):
        without, bad = ([pair[k][index] for pair in pairs] for k in (0, 1))
        for name, value in (("median", statistics.median), ("best", min)):
            print(
                f"{what:<18} {name:<6} {value(without):6.3f} s without, {value(bad):6.3f} s with "
                f"three bad plugins: ratio {value(bad) / value(without):.2f}"
            )


if __name__ == "__main__":
    main()
