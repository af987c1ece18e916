"""The real daemon while its servers are attacked, beside the truth."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from chronotick.client import ChronoTickError
from chronotick.lab import attacks
from chronotick.lab.attacker import Attacker, attacking
from chronotick.lab.network import Leg, PathModel
from chronotick.lab.oscillator import OSCILLATORS
from chronotick.lab.server import Servers, serve
from chronotick.lab.world import Lie, ServerModel, World
from chronotick.shm.layout import Status
from chronotick.shm.reader import RecordReader
from chronotick.shm.record import bound_at, time_at

SHORT = Leg(minimum_s=200e-6)
WORLD = World(
    oscillator=OSCILLATORS["calm"],
    servers=(ServerModel(path=PathModel(forward=SHORT, backward=SHORT)),) * 5,
    seed=1,
)
TIMING = "CHRONOTICK_CLOCK_MEASUREMENT__TIMING__"
QUICK = {
    "CHRONOTICK_WARMUP": "0.5",
    f"{TIMING}WARM_UP__MEASUREMENT_INTERVAL": "0.1",
    f"{TIMING}NORMAL_OPERATION__MEASUREMENT_INTERVAL": "0.2",
    f"{TIMING}NORMAL_OPERATION__MAX_INTERVAL": "0.4",
}
BENCH = Path(__file__).parents[1] / "bench" / "attacks.py"


@contextlib.asynccontextmanager
async def attacked() -> AsyncIterator[tuple[Servers, list[Attacker]]]:
    """Five honest servers, and somebody on the way to each of them who does nothing yet."""
    async with serve(WORLD.starting_now()) as servers, contextlib.AsyncExitStack() as stack:
        each = [await stack.enter_async_context(attacking(s.address)) for s in servers]
        yield servers, each


def options(men: Sequence[Attacker]) -> list[str]:
    return [word for man in men for word in ("--server", man.address)]


def sources(daemon) -> dict[str, dict]:
    try:
        return {source["id"]: source for source in daemon.ask("sources")}
    except ChronoTickError:  # it does not listen yet
        return {}


def worst_ns(daemon, servers: Servers) -> int:
    """Read the record for a while; how far the truth was outside the bound, negative: inside."""
    worst = -(2**63)
    with contextlib.closing(RecordReader(daemon.record)) as reader:
        for _ in range(100):
            record, raw_ns = reader.read()
            error_ns = time_at(record, raw_ns) - servers.truth(raw_ns)
            worst = max(worst, abs(error_ns) - bound_at(record, raw_ns))
            time.sleep(0.01)
    return worst


async def test_a_minority_that_lies_and_whatever_else_is_sent_leave_the_truth_in_the_bound(
    start_daemon,
):
    async with attacked() as (servers, men):
        daemon = start_daemon(*options(men), **QUICK)
        await asyncio.to_thread(daemon.wait_for, Status.SYNCHRONISED)
        men[0].attack = attacks.blind()
        men[1].attack = attacks.flood(100)
        men[2].attack = attacks.kiss("DENY")
        men[3].attack = attacks.shifted(Lie(offset_s=0.05))
        men[4].attack = attacks.shifted(Lie(offset_s=0.05))

        def is_seen() -> bool:
            found = sources(daemon)
            dropped = [found[man.address]["drops"] for man in men[:3]]
            told = all(name in each for name, each in zip(NAMES, dropped, strict=True))
            return told and all(found[man.address]["reason"] == "x" for man in men[3:])

        await asyncio.to_thread(daemon.wait_until, is_seen)
        assert await asyncio.to_thread(worst_ns, daemon, servers) <= 0
        found = await asyncio.to_thread(sources, daemon)
        assert [found[man.address]["reason"] in {"*", "+", "~"} for man in men[:3]] == [True] * 3
        assert daemon.status is Status.SYNCHRONISED
    assert "Traceback" not in daemon.log


NAMES = ("origin", "truncated", "kiss")
"""How the first three attacks are counted."""


async def test_packets_that_are_held_on_all_ways_widen_the_bound_to_contain_the_truth(
    start_daemon,
):
    async with attacked() as (servers, men):
        for man in men:
            man.backward_s = 0.02
        daemon = start_daemon(*options(men), **QUICK)
        await asyncio.to_thread(daemon.wait_for, Status.SYNCHRONISED)
        assert await asyncio.to_thread(worst_ns, daemon, servers) <= 0
        with contextlib.closing(RecordReader(daemon.record)) as reader:
            assert bound_at(*reader.read()) > 10_000_000  # half of what was held


def test_the_bench_shows_whom_attackers_can_move_and_whom_not():
    """A minority is found, a majority moves the clock, unless an authenticated server objects."""
    quick = ["--world", "dc-calm", "--before", "600", "--attack", "900"]
    line = [sys.executable, str(BENCH), *quick, "--rows", "jump by 1 s"]
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    minority, majority, outvoted = (line.split() for line in done.stdout.splitlines()[1:])
    assert "0.0%" in minority
    assert "always" not in minority
    assert "0.0%" not in majority[:-2]
    assert majority[-1] == "always"
    assert "always" not in outvoted
