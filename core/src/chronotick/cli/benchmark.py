"""``chronotick bench``: what a read costs, as a ratio to ``time.time()`` in the same run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from chronotick.cli.output import NO_DAEMON, NOT_SYNCHRONISED, fail, json_option, print_json, table
from chronotick.cli.reading import shm_option

REPEATS = 7
ITERATIONS = click.IntRange(min=1, max=1_000_000_000)


@click.command()
@shm_option
@click.option(
    "--iterations", type=ITERATIONS, default=100_000, show_default=True, help="Calls per repeat."
)
@json_option
def bench(shm: Path | None, *, iterations: int, as_json: bool) -> None:
    """Time reads of the running daemon's record against time.time(), in the same run."""
    from chronotick.client import ChronoTick, ClockUnsynchronised, DaemonUnavailable

    clock, pure = ChronoTick(shm), ChronoTick(shm, pure=True)
    try:
        clock.now()
    except DaemonUnavailable as error:
        fail(error, NO_DAEMON)
    except ClockUnsynchronised as error:
        fail(error, NOT_SYNCHRONISED)
    calls: dict[str, Callable[[], Any]] = {
        "time.time()": time.time,
        "chronotick.time()": clock.time,
        "chronotick.time_ns()": clock.time_ns,
        "chronotick.now()": clock.now,
        "time(), pure Python": pure.time,
        "now(), pure Python": pure.now,
    }
    results = _measure(calls, iterations)
    if as_json:
        print_json({"iterations": iterations, "repeats": REPEATS, "calls": results})
        return
    rows = [[name, f"{r['ns']:.1f}", f"{r['ratio']:.2f}"] for name, r in results.items()]
    click.echo(table(rows, ("call", "ns", "ratio to time.time()")))


def _measure(calls: dict[str, Callable[[], Any]], iterations: int) -> dict[str, dict[str, float]]:
    """Median over repeats; the calls take turns, so that all see the same disturbances."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(REPEATS):
        for name, call in calls.items():
            taken[name].append(_time(call, iterations))
    ns = {name: statistics.median(times) / iterations * 1e9 for name, times in taken.items()}
    reference = ns["time.time()"]
    return {name: {"ns": value, "ratio": value / reference} for name, value in ns.items()}


def _time(call: Callable[[], Any], iterations: int) -> float:
    from timeit import Timer

    return Timer("call()", globals={"call": call}).timeit(iterations)
