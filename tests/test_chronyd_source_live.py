"""A daemon that sends no NTP: all it knows is what the chronyd of this host believes."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time

import pytest

from chronotick.client import ChronoTickError
from chronotick.lab.network import Leg, PathModel, Queue
from chronotick.lab.oscillator import OSCILLATORS
from chronotick.lab.server import serve
from chronotick.lab.world import ServerModel, World
from chronotick.ntp.testing import free_udp_port
from chronotick.ntp.timestamps import raw_now_ns
from chronotick.shm.layout import Status

pytestmark = pytest.mark.chronyd

WRONG_S = 0.25
"""How far the system clock is off in the world whose servers chronyd follows."""
ROUTE = PathModel(
    forward=Leg(minimum_s=3e-3, queue=Queue(scale_s=50e-6)),
    backward=Leg(minimum_s=2e-3, queue=Queue(scale_s=50e-6)),
)
FOLLOWS = "server 127.0.0.1 port {} iburst minpoll 0 maxpoll 0"


def world() -> World:
    oscillator = OSCILLATORS["calm"].model_copy(update={"offset_s": WRONG_S})
    return World(oscillator=oscillator, servers=(ServerModel(path=ROUTE),), seed=1).starting_now()


def commands(port: int) -> tuple[str, str]:
    return f"cmdport {port}", "bindcmdaddress 127.0.0.1"


def drops(daemon) -> dict[str, int]:
    try:
        return daemon.ask("sources")[0]["drops"]
    except ChronoTickError:  # it does not listen yet
        return {}


async def test_true_time_is_within_the_bound_of_a_daemon_that_only_asks_chronyd(
    start_daemon, start_chronyd
):
    """The system clock is 250 ms wrong, chronyd may not touch it, and only chronyd knows."""
    port = free_udp_port()
    async with serve(world()) as servers:
        follows = FOLLOWS.format(servers[0].address[1])
        with start_chronyd(follows, *commands(port), synchronised=False):
            daemon = start_daemon("--server", f"chronyd://127.0.0.1:{port}")
            await asyncio.to_thread(daemon.wait_for, Status.SYNCHRONISED)
            clock = daemon.clock
            for _ in range(100):
                before_ns, now, after_ns = raw_now_ns(), clock.now(), raw_now_ns()
                assert now.earliest_ns <= servers.truth(after_ns)
                assert now.latest_ns >= servers.truth(before_ns)
                assert abs(now.estimate_ns - time.time_ns() - WRONG_S * 1e9) < 20e6
                await asyncio.sleep(0.01)
            (source,) = await asyncio.to_thread(daemon.ask, "sources")
    assert (source["id"], source["reason"]) == (f"chronyd://127.0.0.1:{port}", "*")
    assert source["delay_s"] == pytest.approx(0.005, rel=0.5)  # chronyd's own round trip
    assert source["stratum"] == 2


def test_a_chronyd_that_follows_nothing_is_told_where_people_look(start_daemon, start_chronyd):
    port = free_udp_port()
    with start_chronyd(*commands(port), synchronised=False):
        daemon = start_daemon("--server", f"chronyd://127.0.0.1:{port}")
        daemon.wait_until(lambda: drops(daemon))
        (source,) = daemon.ask("sources")
        shown = subprocess.run(
            [sys.executable, "-m", "chronotick", "sources"],
            env=daemon.environ,
            capture_output=True,
            text=True,
            check=False,
        )
    assert source["last_error"] == "chronyd says that it is not synchronised"
    assert set(source["drops"]) == {"unsynchronised"}
    assert f"chronyd://127.0.0.1:{port}" in shown.stdout
    assert "Traceback" not in shown.stderr + daemon.log
