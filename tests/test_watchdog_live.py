"""The real daemon, measured by servers of which most lie, and a watchdog that asks others."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

from chronotick.client import ChronoTickError
from chronotick.lab import attacks
from chronotick.lab.attacker import Attacker, attacking
from chronotick.lab.network import Leg, PathModel
from chronotick.lab.oscillator import OSCILLATORS
from chronotick.lab.server import serve
from chronotick.lab.world import Lie, ServerModel, World
from chronotick.shm.layout import Status

SHORT = Leg(minimum_s=200e-6)
CONFIGURED, POOL = 5, 8
WORLD = World(
    oscillator=OSCILLATORS["calm"],
    servers=(ServerModel(path=PathModel(forward=SHORT, backward=SHORT)),) * (CONFIGURED + POOL),
    seed=1,
)
MEASUREMENT = "CHRONOTICK_CLOCK_MEASUREMENT__"
QUICK = {
    "CHRONOTICK_WARMUP": "0.5",
    f"{MEASUREMENT}TIMING__WARM_UP__MEASUREMENT_INTERVAL": "0.1",
    f"{MEASUREMENT}TIMING__NORMAL_OPERATION__MEASUREMENT_INTERVAL": "0.2",
    f"{MEASUREMENT}TIMING__NORMAL_OPERATION__MAX_INTERVAL": "0.4",
    f"{MEASUREMENT}WATCHDOG__ENABLED": "true",
    f"{MEASUREMENT}WATCHDOG__SAMPLE_SIZE": "6",
    f"{MEASUREMENT}WATCHDOG__PANIC_TRIGGER": "2",
    f"{MEASUREMENT}WATCHDOG__INTERVAL_SECONDS": "0.4",
}
APART = re.compile(r"put true time -(9|10)\d\d\.\d ms from served time")
BENCH = Path(__file__).parents[1] / "bench" / "watchdog.py"


@contextlib.asynccontextmanager
async def attacked() -> AsyncIterator[tuple[list[Attacker], dict[str, str]]]:
    """Those who stand before the configured servers, and variables that name an honest pool."""
    async with serve(WORLD.starting_now()) as servers, contextlib.AsyncExitStack() as stack:
        before = servers.addresses[CONFIGURED:]
        men = [await stack.enter_async_context(attacking(s.address)) for s in servers[:CONFIGURED]]
        yield men, QUICK | {f"{MEASUREMENT}WATCHDOG__SERVERS": f"[{', '.join(before)}]"}


def options(men: Iterable[Attacker]) -> list[str]:
    return [word for man in men for word in ("--server", man.address)]


def watchdog(daemon) -> dict:
    try:
        return daemon.ask("status")["watchdog"]
    except ChronoTickError:  # it does not listen yet
        return {"alarm": False, "samples": {"agrees": 0}}


def command(daemon, *words: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "chronotick", *words]
    return subprocess.run(line, env=daemon.environ, capture_output=True, text=True, check=False)


async def test_a_majority_that_lies_is_found_by_asking_others_and_the_alarm_ends_with_it(
    start_daemon,
):
    async with attacked() as (men, variables):
        for man in men[:3]:
            man.attack = attacks.shifted(Lie(offset_s=1.0))
        daemon = start_daemon(*options(men), **variables)
        await asyncio.to_thread(daemon.wait_until, lambda: watchdog(daemon)["alarm"])
        await asyncio.to_thread(daemon.wait_for, Status.SYNCHRONISED)  # an alarm only reports
        status = await asyncio.to_thread(daemon.ask, "status")
        assert APART.search(status["watchdog"]["problem"])
        assert status["watchdog"]["problem"] in status["problems"]
        assert "served time is contradicted" in daemon.log
        shown = await asyncio.to_thread(command, daemon, "status")
        assert re.search(r"^watchdog    \w+: .* of \d+ answered", shown.stdout, re.MULTILINE)
        doctor = await asyncio.to_thread(command, daemon, "doctor")
        assert doctor.returncode == 1
        assert re.search(rf"^bad   watchdog: .*{APART.pattern}", doctor.stdout, re.MULTILINE)
        for man in men:
            man.attack = attacks.nothing
        await asyncio.to_thread(daemon.wait_until, lambda: not watchdog(daemon)["alarm"])
    assert "Traceback" not in daemon.log


async def test_distrusted_time_is_disrupted_until_the_pool_agrees(start_daemon):
    async with attacked() as (men, variables):
        for man in men[:3]:
            man.attack = attacks.shifted(Lie(offset_s=1.0))
        daemon = start_daemon(
            *options(men), **variables, **{f"{MEASUREMENT}WATCHDOG__ACTION": "disrupt"}
        )
        await asyncio.to_thread(daemon.wait_until, lambda: watchdog(daemon)["alarm"])
        await asyncio.to_thread(daemon.wait_for, Status.DISRUPTED)
        status = await asyncio.to_thread(daemon.ask, "status")
        assert (status["status"], status["reason"][:12]) == ("disrupted", "the watchdog")
        assert status["transitions"]["disrupted"] == 1
        for man in men:
            man.attack = attacks.nothing
        await asyncio.to_thread(daemon.wait_for, Status.SYNCHRONISED)
        assert not (await asyncio.to_thread(watchdog, daemon))["alarm"]
    assert "-> disrupted: the watchdog's pool contradicts served time" in daemon.log
    # The clock itself may be disrupted by then, as its sources came back to another time.
    assert re.search(r"disrupted -> (warming-up|synchronised): ", daemon.log)


async def test_neither_a_reload_nor_a_restart_ends_an_alarm(start_daemon):
    async with attacked() as (men, variables):
        for man in men[:3]:
            man.attack = attacks.shifted(Lie(offset_s=1.0))
        action = {f"{MEASUREMENT}WATCHDOG__ACTION": "disrupt"}
        daemon = start_daemon(*options(men), **variables, **action)
        await asyncio.to_thread(daemon.wait_until, lambda: watchdog(daemon)["alarm"])
        daemon.process.send_signal(signal.SIGHUP)
        reloaded = lambda: "configuration reloaded" in daemon.log  # noqa: E731 - read once
        await asyncio.to_thread(daemon.wait_until, reloaded)
        told = await asyncio.to_thread(watchdog, daemon)
        assert (told["alarm"], told["alarm_from_before"]) == (True, False)
        assert await asyncio.to_thread(daemon.stop) == 0
        await asyncio.to_thread(daemon.start)
        await asyncio.to_thread(daemon.wait_until, lambda: watchdog(daemon)["alarm"])
        assert (await asyncio.to_thread(daemon.ask, "status"))["status"] == "disrupted"
        for man in men:
            man.attack = attacks.nothing
        await asyncio.to_thread(daemon.wait_for, Status.SYNCHRONISED)
    assert "served time is contradicted: before the daemon was restarted, " in daemon.log
    assert "the watchdog's pool agrees with served time again" in daemon.log
    assert "Traceback" not in daemon.log


async def test_without_an_attack_there_is_no_alarm(start_daemon):
    async with attacked() as (men, variables):
        daemon = start_daemon(*options(men), **variables)
        agreed = lambda: watchdog(daemon)["samples"]["agrees"] >= 5  # noqa: E731 - read once
        await asyncio.to_thread(daemon.wait_until, agreed)
        told = await asyncio.to_thread(watchdog, daemon)
        assert (told["alarms"], told["panics"], told["pool"]) == (0, 0, POOL)
    assert "served time is contradicted" not in daemon.log


def test_the_bench_shows_that_a_majority_that_jumps_is_found():
    quick = ["--worlds", "1", "--runs", "1", "--weeks", "0", "--attack", "3000"]
    line = [sys.executable, str(BENCH), *quick, "--rows", "3 of 5 jump"]
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    rows = [row.split() for row in done.stdout.splitlines() if row.startswith("3 of 5 jump")]
    assert [row[9] for row in rows] == ["100%"] * 4
