"""What it costs to show the clock: programs beside a daemon that nobody asks anything.

``python bench/beside.py`` runs a daemon for a while alone, and again with the HTTP server and all
neighbours beside it, and prints CPU and memory of each process, a bare sleeping interpreter
included.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil

from chronotick.client.control import ask
from chronotick.client.served import ServedClock
from chronotick.ntp.testing import running_chronyd

SETTLE_S, MEASURE_S = 15.0, 30.0
SLEEPER = "import time\nwhile True:\n  time.sleep(1)"


@contextmanager
def daemon(port: int, **variables: str) -> Iterator[tuple[psutil.Process, Mapping[str, str]]]:
    """A daemon that measures a chronyd, in a directory of its own."""
    with tempfile.TemporaryDirectory(prefix="ct-") as name:
        environ = os.environ | {
            "CHRONOTICK_SHM": f"{name}/record",
            "CHRONOTICK_CONTROL": f"{name}/control.sock",
            "CHRONOTICK_HISTORY__PATH": f"{name}/history.sqlite3",
            **{f"CHRONOTICK_{key}": value.format(name) for key, value in variables.items()},
        }
        line = [sys.executable, "-m", "chronotick", "run", "--server", f"127.0.0.1:{port}"]
        process = subprocess.Popen([*line, "--log-level", "ERROR"], env=environ)
        try:
            while not ServedClock(Path(name) / "record").serves():
                time.sleep(0.1)
            yield psutil.Process(process.pid), environ
        finally:
            process.terminate()
            process.wait()


def costs(processes: Mapping[str, psutil.Process]) -> None:
    """Print CPU and memory of processes over the same seconds."""
    time.sleep(SETTLE_S)
    before = {name: sum(process.cpu_times()[:2]) for name, process in processes.items()}
    time.sleep(MEASURE_S)
    for name, process in processes.items():
        share = (sum(process.cpu_times()[:2]) - before[name]) / MEASURE_S
        resident = process.memory_info().rss / 2**20
        print(f"  {name:28} {share:7.2%} of a core {resident:6.0f} MiB")


def main() -> None:
    """Measure and print."""
    with running_chronyd() as port:
        print("a daemon alone")
        with daemon(port) as (alone, environ):
            sleeper = subprocess.Popen([sys.executable, "-c", SLEEPER])
            line = [sys.executable, "-m", "chronotick", "mcp"]
            agents = subprocess.Popen(line, env=environ, stdin=subprocess.PIPE)
            try:
                costs(
                    {
                        "daemon": alone,
                        "chronotick mcp, stdio": psutil.Process(agents.pid),
                        "a bare sleeping Python": psutil.Process(sleeper.pid),
                    }
                )
            finally:
                for process in (sleeper, agents):
                    process.kill()
                    process.wait()
        print("a daemon with HTTP and neighbours beside it")
        asked = {
            "HTTP__LISTEN": "127.0.0.1:0",
            "NEIGHBOURS__NTP": '["127.0.0.1:23123"]',
            "NEIGHBOURS__SOCK": '["{}/nobody.sock"]',
            "NEIGHBOURS__CLOCKBOUND": "{}/clockbound.shm0",
        }
        with daemon(port, **asked) as (main_process, environ):
            time.sleep(SETTLE_S)
            beside = ask("status", socket_path=environ["CHRONOTICK_CONTROL"])["companions"]
            found = {name: psutil.Process(told["pid"]) for name, told in beside.items()}
            costs({"daemon": main_process, **found})


if __name__ == "__main__":
    main()
