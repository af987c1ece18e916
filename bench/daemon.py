"""What the daemon costs, and how evenly it publishes.

``python bench/daemon.py`` prints memory, CPU at 100 publications per second and the start-up of the
imports that users feel, without models in workers. CPU is the process' own time over the wall time
of the same seconds; beside it stands a bare loop of ``time.sleep`` at the same rate.

``python bench/daemon.py --models a,b --checkpoint a=WEIGHTS`` prints publication jitter instead,
at 10 and at 100 publications per second, with workers and without, in turn. Each publication says
when the record ends, a fixed time after it was written: a reader that looks often enough sees when
all of them were made. Jitter is how far the time between two differs from the period.
``--models echo-1,…,echo-5`` needs nothing installed: the echo model in as many workers, each busy
for half of every second, whatever ``workers.max_duty`` says. ``--zoo`` takes the five pretrained
models with tiny random weights, made first in their own environments, and prints what became of
each: its median latency, weight and memory.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from chronotick.client import ChronoTickError
from chronotick.client.control import ask
from chronotick.client.served import ServedClock
from chronotick.config.schema import Workers
from chronotick.ntp.testing import running_chronyd
from chronotick.plugin import load_plugins
from chronotick.testing import random_checkpoint
from chronotick.testing.installed import lay_out

REPOSITORY = Path(__file__).parents[1]
SETTLE = 10.0
TICKER = "import time\nwhile True:\n  time.sleep(0.01)"
LOOK_S = 0.001
ECHOES = """
from dataclasses import replace
from chronotick.plugin import echo, hookimpl

@hookimpl
def chronotick_models():
    return [replace(spec, name=f"echo-{n}") for spec in echo.chronotick_models() for n in range(9)]
"""
BUSY = {
    "CHRONOTICK_WORKERS__MAX_DUTY": "64",
    "CHRONOTICK_SHORT_TERM__INFERENCE_INTERVAL": "1",
    "CHRONOTICK_SHORT_TERM__TIMEOUT_SECONDS": "30",
}
ZOO = ("chronos", "timesfm", "ttm", "toto", "time-moe")
EAGER = {
    "CHRONOTICK_CLOCK_MEASUREMENT__TIMING__NORMAL_OPERATION__MEASUREMENT_INTERVAL": "1",
    "CHRONOTICK_CLOCK_MEASUREMENT__TIMING__NORMAL_OPERATION__MAX_INTERVAL": "1",
    "CHRONOTICK_SHORT_TERM__INFERENCE_INTERVAL": "1",
    "CHRONOTICK_SHORT_TERM__STEP": "1",
    "CHRONOTICK_FUSION__MIN_SCORES": "2",
}
MOST_JITTER_S = 0.020
MOST_RSS_BYTES = 80e6


@contextlib.contextmanager
def running(
    port: int,
    frequency: int,
    options: Sequence[str] = (),
    variables: Mapping[str, str] | None = None,
) -> Iterator[tuple[psutil.Process, Path]]:
    with tempfile.TemporaryDirectory(prefix="ct-") as name:
        directory = Path(name)
        environ = os.environ | {
            "CHRONOTICK_SHM": str(directory / "record"),
            "CHRONOTICK_CONTROL": str(directory / "control.sock"),
            "CHRONOTICK_HISTORY__PATH": str(directory / "history.sqlite3"),
            **(variables or {}),
        }
        if any("echo-" in option for option in options):
            entry_points = {"echoes": "echoes"}
            lay_out(directory, "echoes", {"echoes.py": ECHOES}, entry_points=entry_points)
            environ |= BUSY | {"PYTHONPATH": name, "XDG_CACHE_HOME": name}
        command = [sys.executable, "-m", "chronotick", "run", "--server", f"127.0.0.1:{port}"]
        daemon = subprocess.Popen(
            [*command, "--freq", str(frequency), *options],
            env=environ,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield psutil.Process(daemon.pid), directory
        finally:
            daemon.terminate()
            daemon.wait()


def cost(seconds: float) -> None:
    with running_chronyd() as port, running(port, 100) as (daemon, _):
        ticker = subprocess.Popen([sys.executable, "-c", TICKER])
        try:
            time.sleep(SETTLE)
            measured, bare = cpu_shares(seconds, daemon.pid, ticker.pid)
            rss = daemon.memory_info().rss / 2**20
        finally:
            ticker.terminate()
            ticker.wait()
    print(f"daemon at 100 publications/s  {measured:6.2%} of a core (bar: 1 %)")
    print(f"bare time.sleep at 100 Hz     {bare:6.2%} of a core, ratio {measured / bare:.1f}")
    print(f"resident memory               {rss:6.1f} MiB (bar: 60 MB = 57.2 MiB)")
    print(f"import chronotick             {import_ms():6.1f} ms beyond a bare start (bar: 20)")
    print(f"chronotick --help             {help_ms():6.1f} ms in all (bar: 100)")


def evenness(
    models: Sequence[str], options: Sequence[str], seconds: float, variables: Mapping[str, str]
) -> None:
    worst_s, rss = 0.0, 0
    with running_chronyd() as port:
        for frequency in (10, 100):
            for names, given in (((), ()), (models, options)):
                with running(port, frequency, given, variables) as (daemon, directory):
                    wait_until_ready(directory / "control.sock", names)
                    offs_s, cpu = jitter(daemon, directory / "record", 1 / frequency, seconds)
                    rss = max(rss, daemon.memory_info().rss)
                    reports = ask("models", socket_path=directory / "control.sock")
                middle, high = (statistics.quantiles(offs_s, n=100)[k] for k in (49, 98))
                worst_s = max(worst_s, high)
                print(
                    f"{frequency:>3} Hz, {'workers' if names else 'no workers':<10} "
                    f"jitter p50 {middle * 1e3:6.2f}, "
                    f"p99 {high * 1e3:6.2f}, max {max(offs_s) * 1e3:6.2f} ms "
                    f"({len(offs_s)} publications; workers used {cpu:.2f} cores)"
                )
                for name in names:
                    print(f"    {name:<10} {described(reports[name])}")
    print(f"worst p99 {worst_s * 1e3:.2f} ms, bar 20 ms: {verdict(met=worst_s <= MOST_JITTER_S)}")
    print(f"daemon at most {rss / 1e6:.1f} MB, bar 80 MB: {verdict(met=rss <= MOST_RSS_BYTES)}")


def described(report: Mapping[str, Any]) -> str:
    latency_ms, memory_mb = report["latency_median_ms"], report.get("memory_mb")
    asked = f"median {latency_ms:.1f} ms of {report['answers']}" if latency_ms else "not asked"
    memory = f", memory {memory_mb:.0f} MiB" if memory_mb else ""
    return f"{report['state']}: {asked}, weight {report['weight']:.2f}{memory}"


def verdict(*, met: bool) -> str:
    return "met" if met else "MISSED"


def wait_until_ready(socket: Path, models: Sequence[str]) -> None:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        with suppress(ChronoTickError):
            reports = ask("models", socket_path=socket)
            for name, report in reports.items():
                if report["state"] == "broken":
                    raise SystemExit(f"{name}: {report['last_error']}")
            if all(reports.get(name, {}).get("state") == "ready" for name in models) and (
                ask("status", socket_path=socket)["status"] == "synchronised"
            ):
                return
        time.sleep(0.2)
    raise SystemExit("the models did not become ready within 300 s")


def zoo(directory: Path, environments: Path) -> list[str]:
    """Make tiny random weights of all five, and return the options to use them."""
    plugins, config = load_plugins(), Workers(environments=environments)
    options = ["--models", ",".join(("kalman", *ZOO))]
    for name in ZOO:
        weights = random_checkpoint(plugins.find(name), directory / name, config)
        options += ["--checkpoint", f"{name}={weights}"]
    return options


def jitter(
    daemon: psutil.Process, record: Path, period_s: float, seconds: float
) -> tuple[list[float], float]:
    """Return how far each time between publications is from the period, and cores in use."""
    clock, ends_ns = ServedClock(record), []
    before, started = workers_cpu_s(daemon), time.monotonic()
    while time.monotonic() - started < seconds:
        ends_ns.append(clock.read()[0].void_after_raw_ns)
        time.sleep(LOOK_S)
    used = (workers_cpu_s(daemon) - before) / (time.monotonic() - started)
    made_ns = sorted(set(ends_ns))
    passed_ns = (after - now for now, after in itertools.pairwise(made_ns))
    return [abs(ns * 1e-9 - period_s) for ns in passed_ns], used


def workers_cpu_s(daemon: psutil.Process) -> float:
    return sum(sum(child.cpu_times()[:2]) for child in daemon.children(recursive=True))


def cpu_shares(seconds: float, *pids: int) -> list[float]:
    processes = [psutil.Process(pid) for pid in pids]
    before, started = [sum(p.cpu_times()[:2]) for p in processes], time.monotonic()
    time.sleep(seconds)
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", help="measure evenness with these models, by commas")
    parser.add_argument("--checkpoint", action="append", default=[], metavar="MODEL=WEIGHTS")
    parser.add_argument("--zoo", action="store_true", help="with all five pretrained models")
    parser.add_argument("--environments", type=Path, default=REPOSITORY / ".cache" / "envs")
    parser.add_argument("--seconds", type=float, default=30.0, help="for each run")
    given = parser.parse_args()
    variables = {"CHRONOTICK_WORKERS__ENVIRONMENTS": str(given.environments.absolute())}
    if given.zoo:
        with tempfile.TemporaryDirectory(prefix="ct-") as name:
            options = zoo(Path(name), given.environments.absolute())
            evenness(ZOO, options, given.seconds, variables | EAGER)
        return
    if not given.models:
        cost(given.seconds)
        return
    names = given.models.split(",")
    given.checkpoint += [f"{name}=busy=0.5" for name in names if name.startswith("echo-")]
    weights = [part for text in given.checkpoint for part in ("--checkpoint", text)]
    evenness(names, ["--models", given.models, *weights], given.seconds, variables)


if __name__ == "__main__":
    main()
