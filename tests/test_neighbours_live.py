"""Real neighbours of a real daemon, against known truth.

Simulated servers on ``::1`` whose time is 36 ms off the system clock, the daemon that measures
them, ``chronotick neighbours``, and two ``chronyd -x``: one its NTP client, one fed over SOCK. A
``chronyd -x`` never touches the system clock, but serves the time it believes in, with its own root
distance: that is compared with the truth. (The servers are not on 127.0.0.1, because a client there
would take their address, our reference, for its own: a loop.)
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from chronotick.lab.server import Servers, serve
from chronotick.lab.world import World
from chronotick.ntp import Endpoint, Measurement, Query, run_exchange
from chronotick.ntp.testing import free_udp_port
from chronotick.ntp.timestamps import read_pair

pytestmark = [pytest.mark.chronyd, pytest.mark.timeout(240)]

PATIENCE_S = 60.0
STAMPING_NS = 20_000
"""What the stamps of an exchange on loopback may be off by, beyond half its delay."""

UNKNOWN, SYNCHRONIZED = 0, 1  # as ClockBound numbers them
AHEAD_NS = 36_000_000
SOCK_DELAY_S = 0.001
"""What chronyd is told of samples over SOCK, which carry no bound: half of it is added to its."""


@dataclass(frozen=True)
class Stage:
    """Everything that runs."""

    servers: Servers
    directory: Path
    daemon: contextlib.ExitStack
    ntp_port: int
    client_port: int = 0
    fed_port: int = 0

    @property
    def segment(self) -> Path:
        return self.directory / "clockbound.shm0"

    def start_daemon(self) -> None:
        """Start it; closing ``daemon`` ends it."""
        named = [part for address in self.servers.addresses for part in ("--server", address)]
        log = self.directory / "daemon.log"
        self.daemon.enter_context(running(environ_of(self.directory), log, "run", *named))

    def ask(self, port: int) -> Measurement | str:
        """What a server on loopback says of the time, or why it is not to be believed."""
        query = Query(
            endpoint=Endpoint(socket.AF_INET, ("127.0.0.1", port)),
            timeout_s=2,
            max_delay_ns=10**9,
        )
        outcome = asyncio.run(run_exchange(query))
        return outcome.reply.measurement if outcome.reply else outcome.error

    def believed(self, port: int) -> Measurement:
        """The same, as soon as the server is synchronised."""
        until(lambda: isinstance(self.ask(port), Measurement), f"port {port} is synchronised")
        found = self.ask(port)
        assert isinstance(found, Measurement), found
        return found

    def error_ns(self, found: Measurement) -> int:
        return found.offset_ns + found.raw_ns - self.servers.truth(found.raw_ns)


def until(condition: Callable[[], bool], what: str) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline_s:
            pytest.fail(f"not within {PATIENCE_S:g} s: {what}")
        time.sleep(0.1)


@contextlib.contextmanager
def simulated_servers() -> Iterator[Servers]:
    """Serve a world from a thread: it answers while the tests wait for others."""
    world = World.from_preset("loopback-calm", servers=3, seed=5).starting_now()
    world = world.model_copy(update={"start_utc_ns": world.start_utc_ns + AHEAD_NS})
    found: list[tuple[Servers, asyncio.AbstractEventLoop, asyncio.Event]] = []
    started = threading.Event()

    async def run() -> None:
        async with serve(world, host="::1") as servers:
            ended = asyncio.Event()
            found.append((servers, asyncio.get_running_loop(), ended))
            started.set()
            await ended.wait()

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    assert started.wait(PATIENCE_S)
    servers, loop, ended = found[0]
    try:
        yield servers
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()


@contextlib.contextmanager
def running(environ: Mapping[str, str], log: Path, *options: str) -> Iterator[subprocess.Popen]:
    """Run a command of ``chronotick`` for the length of a ``with`` block."""
    with log.open("ab") as sink:
        command = [sys.executable, "-m", "chronotick", *options]
        process = subprocess.Popen(command, env=environ, stderr=sink)
    try:
        yield process
        assert process.poll() is None, log.read_text()
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            raise


def environ_of(directory: Path) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("CHRONOTICK_")}
    return kept | {
        "CHRONOTICK_SHM": str(directory / "record"),
        "CHRONOTICK_CONTROL": str(directory / "control.sock"),
        "CHRONOTICK_HISTORY__PATH": str(directory / "history.sqlite3"),
    }


@pytest.fixture(scope="module")
def stage(start_chronyd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    directory = tmp_path_factory.mktemp("stage")
    log, feed, port = directory / "neighbours.log", directory / "feed.sock", free_udp_port()
    with contextlib.ExitStack() as stack:
        servers = stack.enter_context(simulated_servers())
        daemon = stack.enter_context(contextlib.ExitStack())
        bare = Stage(servers, directory, daemon, port)
        bare.start_daemon()
        options = ["--ntp", f"127.0.0.1:{port}", "--sock", str(feed), "--clockbound"]
        options += ["--ntp-rate", "1000"]  # the tests ask without a pause
        stack.enter_context(running(environ_of(directory), log, "neighbours", *options))
        client, fed = (
            stack.enter_context(start_chronyd(source, synchronised=False))
            for source in (
                f"server 127.0.0.1 port {port} iburst minpoll -2 maxpoll -1",
                f"refclock SOCK {feed} poll 0 filter 1 delay {SOCK_DELAY_S}",
            )
        )
        yield replace(bare, client_port=client, fed_port=fed)
    assert "Traceback" not in log.read_text()


def statement(segment: Path) -> tuple[int, ...]:
    """Read a segment as docs/PROTOCOL.md of aws/clock-bound has it."""
    return struct.unpack("=IIIHHqqqqqQIiB7x", segment.read_bytes())


def status_in(segment: Path) -> int:
    return statement(segment)[12]


def test_the_ntp_server_tells_the_true_time_within_its_root_distance(stage: Stage):
    until(lambda: stage.believed(stage.ntp_port).stratum == 2, "the source is known")
    for _ in range(20):
        found = stage.believed(stage.ntp_port)
        assert abs(stage.error_ns(found)) <= found.root_distance_ns
    pair = read_pair()
    assert abs(pair.realtime_ns - stage.servers.truth(pair.raw_ns)) > AHEAD_NS // 2


def test_a_chronyd_that_asks_it_agrees_with_the_truth_within_its_root_distance(stage: Stage):
    for _ in range(20):
        found = stage.believed(stage.client_port)
        assert abs(stage.error_ns(found)) <= found.root_distance_ns + STAMPING_NS
        time.sleep(0.05)
    until(lambda: stage.believed(stage.client_port).stratum == 3, "it is below our stratum 2")


def test_a_chronyd_that_is_fed_agrees_with_the_truth_within_its_root_distance(stage: Stage):
    for _ in range(20):
        found = stage.believed(stage.fed_port)
        assert abs(stage.error_ns(found)) <= found.root_distance_ns + STAMPING_NS
        time.sleep(0.05)
    assert found.stratum == 1


def test_a_clockbound_client_has_the_truth_in_its_interval(stage: Stage):
    until(lambda: status_in(stage.segment) == SYNCHRONIZED, "the segment says: synchronised")
    for _ in range(50):
        said = statement(stage.segment)
        pair, mono_ns = read_pair(), time.clock_gettime_ns(6)  # CLOCK_MONOTONIC_COARSE
        age_s = (mono_ns - said[5] * 10**9 - said[6]) / 1e9
        bound_ns = said[9] + int(age_s * said[11])
        assert 0 <= age_s < PATIENCE_S
        assert abs(pair.realtime_ns - stage.servers.truth(pair.raw_ns)) <= bound_ns
        assert bound_ns < 2 * AHEAD_NS
        time.sleep(0.02)


def test_neighbours_outlive_the_daemon_and_find_the_next(stage: Stage):
    stage.believed(stage.ntp_port)
    stage.daemon.close()
    until(lambda: "leap 3" in str(stage.ask(stage.ntp_port)), "clients are told")
    until(lambda: status_in(stage.segment) == UNKNOWN, "readers of the segment are told")
    stage.start_daemon()
    found = stage.believed(stage.ntp_port)
    assert abs(stage.error_ns(found)) <= found.root_distance_ns
    until(lambda: status_in(stage.segment) == SYNCHRONIZED, "the segment has the new one's time")
    said = (stage.directory / "neighbours.log").read_text()
    assert said.count("time is handed on: ") == 2
