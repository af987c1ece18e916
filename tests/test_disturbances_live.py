"""The real daemon while its surroundings are disturbed: the state machine's table, on a real host.

Servers are real chronyds, except around the leap second. No clock of this host is touched:
stepped_clock.c, preloaded, lets single processes believe that one was. Truth is this host's
CLOCK_REALTIME.
"""

from __future__ import annotations

import asyncio
import contextlib
import mmap
import os
import shutil
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typing_extensions import Self

from chronotick.client import ChronoTickError, DaemonUnavailable
from chronotick.clock.leap import month_ends_ns
from chronotick.lab.attacker import attacking
from chronotick.lab.faults.system_clock import SteppedClock, build
from chronotick.lab.network import Leg, PathModel
from chronotick.lab.oscillator import OSCILLATORS
from chronotick.lab.server import Servers, serve
from chronotick.lab.world import Lie, ServerModel, World
from chronotick.ntp.testing import free_udp_port
from chronotick.ntp.timestamps import raw_now_ns
from chronotick.shm.layout import Status
from chronotick.shm.reader import RecordReader
from chronotick.shm.record import READY, Record, bound_at, is_void, time_at

pytestmark = pytest.mark.chronyd

SOURCE = Path(__file__).with_name("stepped_clock.c")
NS_PER_S = 1_000_000_000
ERA_ENDS_NS = (2**32 - 2_208_988_800) * NS_PER_S  # of NTP's timestamps: 7 February 2036
TIMING = "CHRONOTICK_CLOCK_MEASUREMENT__TIMING__"
QUICK = {
    "CHRONOTICK_WARMUP": "0.5",
    "CHRONOTICK_SHM__VALIDITY_SECONDS": "1.0",
    f"{TIMING}WARM_UP__MEASUREMENT_INTERVAL": "0.1",
    f"{TIMING}NORMAL_OPERATION__MEASUREMENT_INTERVAL": "0.2",
    f"{TIMING}NORMAL_OPERATION__MAX_INTERVAL": "0.4",
}


@contextlib.contextmanager
def seen(clock: SteppedClock) -> Iterator[None]:
    """Let programs that are started meanwhile see these clocks."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in clock.environ.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("cc") is None or sys.platform != "linux":
        pytest.skip("this needs Linux and a C compiler. Run: apt-get install gcc libc6-dev")
    strict = ["-O2", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror"]
    return build(SOURCE, tmp_path_factory.mktemp("clock"), strict)


@pytest.fixture
def new_clock(library: Path, tmp_path: Path) -> Iterator[Callable[[], SteppedClock]]:
    with contextlib.ExitStack() as stack:
        numbers = iter(range(10))

        def new() -> SteppedClock:
            clock = SteppedClock(library, tmp_path / f"clock{next(numbers)}")
            stack.callback(clock.close)
            return clock

        yield new


@pytest.fixture
def clock(new_clock: Callable[[], SteppedClock]) -> SteppedClock:
    return new_clock()


class Witness(threading.Thread):
    """Reads the record all the time and compares it with the truth.

    Attributes:
        statuses: that were seen, in their order; ``None``: there was no valid record.
        reads: with which the daemon vouched for the time.
        mistakes: the truth was outside of the interval, or time ran backwards.
    """

    def __init__(self, path: Path, truth: Callable[[], int] = time.time_ns) -> None:
        super().__init__()
        self.statuses: list[Status | None] = []
        self.reads = 0
        self.mistakes: list[str] = []
        self._reader = RecordReader(path)
        self._truth = truth
        self._last = (0, 0)
        self._ended = threading.Event()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self.join()
        self._reader.close()
        assert not self.mistakes, self.mistakes[:5]
        assert self.reads > 0

    def run(self) -> None:
        while not self._ended.is_set():
            before_ns = self._truth()
            record, raw_ns = self._reader.read()
            after_ns = self._truth()
            status = None if is_void(record, raw_ns) else record.status
            if self.statuses[-1:] != [status]:
                self.statuses.append(status)
            if status in READY:
                self._judge(record, raw_ns, before_ns, after_ns)
            time.sleep(0.002)

    def _judge(self, record: Record, raw_ns: int, before_ns: int, after_ns: int) -> None:
        self.reads += 1
        served_ns, bound_ns = time_at(record, raw_ns), bound_at(record, raw_ns)
        if not before_ns - bound_ns <= served_ns <= after_ns + bound_ns:
            self.mistakes.append(f"{served_ns - after_ns} ns off, bound {bound_ns}: {record}")
        if self._last[0] == record.epoch and served_ns < self._last[1]:
            self.mistakes.append(f"{served_ns - self._last[1]} ns back: {record}")
        self._last = record.epoch, served_ns


def record_of(daemon) -> Record:
    with contextlib.closing(RecordReader(daemon.record)) as reader:
        return reader.snapshot()


def reason_of(daemon, address: str) -> str:
    return next(each["reason"] for each in daemon.ask("sources") if each["id"] == address)


def servers(*addresses: str) -> list[str]:
    return [word for address in addresses for word in ("--server", address)]


@contextlib.contextmanager
def stopped(*processes: subprocess.Popen[bytes]) -> Iterator[None]:
    for process in processes:
        process.send_signal(signal.SIGSTOP)
    yield
    for process in processes:
        process.send_signal(signal.SIGCONT)


def test_while_the_daemon_is_stopped_there_is_no_time_and_afterwards_the_same_as_before(
    start_daemon, chronyd
):
    daemon = start_daemon("--server", chronyd, **QUICK)
    daemon.wait_for(Status.SYNCHRONISED)
    epoch, reader = record_of(daemon).epoch, daemon.clock
    with Witness(daemon.record) as witness:
        with stopped(daemon.process):
            time.sleep(1.2)
            with pytest.raises(DaemonUnavailable, match="died or hangs"):
                reader.now()
        daemon.wait_for(Status.SYNCHRONISED)
        time.sleep(0.5)
    assert None in witness.statuses
    assert Status.DISRUPTED not in witness.statuses
    assert record_of(daemon).epoch == epoch


def test_without_servers_it_holds_over_with_a_growing_bound_until_they_are_back(
    start_daemon, start_chronyd
):
    ports = [free_udp_port() for _ in range(2)]

    def all_servers() -> contextlib.ExitStack:
        with contextlib.ExitStack() as stack:
            for port in ports:
                stack.enter_context(start_chronyd(port=port))
            return stack.pop_all()

    with all_servers():
        daemon = start_daemon(*servers(*(f"127.0.0.1:{port}" for port in ports)), **QUICK)
        daemon.wait_for(Status.SYNCHRONISED)
        epoch, watching = record_of(daemon).epoch, Witness(daemon.record)
    with watching as witness:
        daemon.wait_for(Status.HOLDOVER)
        held_ns = record_of(daemon).bound_ns
        daemon.wait_until(lambda: record_of(daemon).bound_ns > held_ns + 5_000)
        with all_servers():
            daemon.wait_for(Status.SYNCHRONISED)
            daemon.wait_until(lambda: record_of(daemon).bound_ns < held_ns + 5_000)
    assert Status.HOLDOVER in witness.statuses
    assert set(witness.statuses) <= set(READY), daemon.log
    assert record_of(daemon).epoch == epoch


def test_while_half_of_the_servers_lie_nobody_is_believed(start_daemon, start_chronyd, clock):
    with contextlib.ExitStack() as stack:
        honest = [stack.enter_context(start_chronyd()) for _ in range(2)]
        with seen(clock):
            others = [stack.enter_context(start_chronyd()) for _ in range(2)]
        addresses = [f"127.0.0.1:{port}" for port in (*honest, *others)]
        daemon = start_daemon(*servers(*addresses), **QUICK)
        daemon.wait_until(lambda: daemon.status is Status.SYNCHRONISED and believed(daemon) == 4)
        epoch = record_of(daemon).epoch
        with Witness(daemon.record) as witness:
            clock.step(100_000_000)
            daemon.wait_for(Status.HOLDOVER)
            daemon.wait_until(lambda: all(reason_of(daemon, each) == "m" for each in addresses))
            clock.step(-100_000_000)
            daemon.wait_until(
                lambda: daemon.status is Status.SYNCHRONISED and believed(daemon) == 4
            )
    assert Status.HOLDOVER in witness.statuses
    assert set(witness.statuses) <= set(READY), daemon.log
    assert record_of(daemon).epoch == epoch


def believed(daemon) -> int:
    try:
        return len(daemon.ask("status")["sources_believed"])
    except ChronoTickError:  # it does not listen yet
        return 0


def test_a_server_that_comes_back_with_another_time_is_left_out_until_it_is_right_again(
    start_daemon, start_chronyd, clock
):
    port = free_udp_port()
    restarted = f"127.0.0.1:{port}"
    with start_chronyd() as first, start_chronyd() as second:
        addresses = (restarted, f"127.0.0.1:{first}", f"127.0.0.1:{second}")
        with start_chronyd(port=port):
            daemon = start_daemon(*servers(*addresses), **QUICK)
            daemon.wait_until(lambda: believed(daemon) == 3)
            daemon.wait_for(Status.SYNCHRONISED)
        clock.step(86_400 * NS_PER_S)
        with Witness(daemon.record) as witness:
            with seen(clock), start_chronyd(port=port):
                daemon.wait_until(lambda: reason_of(daemon, restarted) == "x")
            with start_chronyd(port=port):
                daemon.wait_until(lambda: believed(daemon) == 3)
    assert witness.statuses == [Status.SYNCHRONISED], daemon.log


async def test_a_route_that_becomes_longer_one_way_is_inside_the_bound(start_daemon, chronyd_port):
    async with contextlib.AsyncExitStack() as stack:
        server = ("127.0.0.1", chronyd_port)
        relays = [await stack.enter_async_context(attacking(server)) for _ in range(2)]
        daemon = start_daemon(*servers(*(relay.address for relay in relays)), **QUICK)
        await asyncio.to_thread(daemon.wait_for, Status.SYNCHRONISED)
        with Witness(daemon.record) as witness:
            for relay in relays:
                relay.forward_s = 0.01
            seen = [relay.requests for relay in relays]

            def all_asked_again() -> bool:
                return all(
                    relay.requests >= before + 5 for relay, before in zip(relays, seen, strict=True)
                )

            await asyncio.to_thread(daemon.wait_until, all_asked_again)
    assert set(witness.statuses) <= set(READY), daemon.log


def test_when_the_system_clock_is_set_served_time_does_not_move(start_daemon, chronyd, clock):
    daemon = start_daemon("--server", chronyd, **QUICK, **clock.environ)
    daemon.wait_for(Status.SYNCHRONISED)
    epoch, transitions = record_of(daemon).epoch, daemon.ask("status")["transitions"]

    def shows(ahead_ns: int) -> Callable[[], bool]:
        return lambda: abs(record_of(daemon).system_minus_utc_ns - ahead_ns) < 10_000_000

    with Witness(daemon.record) as witness:
        clock.step(1_500_000_000)
        clock.tell()
        daemon.wait_until(shows(1_500_000_000))
        clock.step(-3_600 * NS_PER_S)  # nobody tells: a publication notices it
        daemon.wait_until(shows(1_500_000_000 - 3_600 * NS_PER_S))
        measured = record_of(daemon).measurements
        daemon.wait_until(lambda: record_of(daemon).measurements > measured + 3)
    assert witness.statuses == [Status.SYNCHRONISED], daemon.log
    assert record_of(daemon).epoch == epoch
    status = daemon.ask("status")
    assert status["system_clock_steps"] == 2
    assert status["transitions"] == transitions
    assert daemon.log.count("system clock stepped by +1.5") == 1
    assert daemon.log.count("system clock stepped by -3600.0") == 1
    assert "no longer tells" not in daemon.log


def test_the_daemon_is_told_of_each_set_clock_at_once(clock):
    """It sleeps for an hour, twice, or until the kernel cancels its timer."""
    program = (
        "from chronotick.clock import StepWatch\n"
        "watch = StepWatch()\n"
        "for _ in range(2):\n"
        "    print('asleep', flush=True)\n"
        "    print(watch.sleep(3600.0), watch.sleep(0.0), watch.is_told, flush=True)\n"
    )
    environ = os.environ | clock.environ
    with subprocess.Popen([sys.executable, "-c", program], env=environ, stdout=-1) as process:
        assert process.stdout is not None
        for _ in range(2):
            assert process.stdout.readline() == b"asleep\n"
            clock.tell()
            assert process.stdout.readline() == b"True False True\n"


def test_when_the_system_clock_is_slewed_served_time_does_not_follow(start_daemon, chronyd, clock):
    daemon = start_daemon("--server", chronyd, **QUICK, **clock.environ)
    daemon.wait_for(Status.SYNCHRONISED)

    def rate() -> float:
        return daemon.ask("status")["system_clock_rate_ppm"] or 0.0

    with Witness(daemon.record) as witness:
        clock.slew(-500e-6, for_s=60.0)
        daemon.wait_until(lambda: rate() < -400.0)
    assert rate() > -600.0
    assert witness.statuses == [Status.SYNCHRONISED], daemon.log
    assert daemon.ask("status")["system_clock_steps"] == 0


@pytest.mark.parametrize(
    ("happens", "reason"),
    [
        ("suspend", "the host slept for 3600.0 s"),
        ("migration", "the sources agree on a time +3"),  # and no VMClock tells
    ],
    ids=["suspend", "migration"],
)
def test_after_the_host_stood_still_there_is_no_time_until_it_is_measured_anew(
    start_daemon, start_chronyd, clock, happens, reason
):
    """RAW stood still for an hour, and true time went on."""
    away_ns = 3600 * NS_PER_S
    with seen(clock), start_chronyd() as port:
        daemon = start_daemon(*servers(f"127.0.0.1:{port}"), **QUICK, **clock.environ)
        daemon.wait_for(Status.SYNCHRONISED)
        epoch = record_of(daemon).epoch
        with Witness(daemon.record):
            time.sleep(0.2)
        with stopped(daemon.process):
            (clock.sleep if happens == "suspend" else clock.step)(away_ns)
        daemon.wait_until(lambda: record_of(daemon).epoch != epoch)
        with Witness(daemon.record, lambda: time.time_ns() + away_ns) as witness:
            daemon.wait_for(Status.SYNCHRONISED)
            time.sleep(0.5)
    assert witness.statuses[-2:] == [Status.WARMING_UP, Status.SYNCHRONISED]
    assert record_of(daemon).epoch == epoch + 1
    assert f"synchronised -> disrupted: {reason}" in daemon.log, daemon.log
    assert daemon.log.count("-> disrupted") == 1
    assert daemon.ask("status")["system_clock_steps"] == (0 if happens == "suspend" else 1)


def test_a_machine_that_was_migrated_measures_anew(start_daemon, chronyd, tmp_path):
    device = tmp_path / "vmclock0"
    head = struct.pack("<4sIHBBIQ", b"VCLK", mmap.PAGESIZE, 1, 1, 0, 2, 7)
    device.write_bytes(head.ljust(mmap.PAGESIZE, b"\0"))
    (tmp_path / "sitecustomize.py").write_text(
        "from pathlib import Path\n"
        "from chronotick.clock import vmclock\n"
        f"vmclock.DEVICE = Path({os.fspath(device)!r})\n"
    )
    daemon = start_daemon("--server", chronyd, **QUICK, PYTHONPATH=os.fspath(tmp_path))
    daemon.wait_for(Status.SYNCHRONISED)
    epoch = record_of(daemon).epoch
    with Witness(daemon.record) as witness:
        for sequence, marker in ((3, 7), (3, 8), (4, 8)):
            with device.open("r+b") as file:
                file.seek(12)
                file.write(struct.pack("<IQ", sequence, marker))
        daemon.wait_until(lambda: daemon.log.count("-> synchronised") == 2)
        daemon.wait_for(Status.SYNCHRONISED)
    seen = [status for status in witness.statuses if status is not Status.DISRUPTED]
    assert seen == [Status.SYNCHRONISED, Status.WARMING_UP, Status.SYNCHRONISED]
    assert "disrupted: the virtual machine was migrated or restored (VMClock)" in daemon.log
    assert record_of(daemon).epoch == epoch + 1


def test_the_end_of_the_first_ntp_era_passes_unnoticed(start_daemon, start_chronyd, clock):
    """Daemon and server live on 7 February 2036, some seconds before the timestamps wrap."""
    ahead_ns = ERA_ENDS_NS - 6 * NS_PER_S - time.time_ns()
    clock.step(ahead_ns)
    with seen(clock), start_chronyd() as port:
        daemon = start_daemon(*servers(f"127.0.0.1:{port}"), **QUICK, **clock.environ)
        daemon.wait_for(Status.SYNCHRONISED)
        with Witness(daemon.record, lambda: time.time_ns() + ahead_ns) as witness:
            daemon.wait_until(lambda: time.time_ns() + ahead_ns > ERA_ENDS_NS)
            measured = record_of(daemon).measurements
            daemon.wait_until(lambda: record_of(daemon).measurements > measured + 5)
    assert witness.statuses == [Status.SYNCHRONISED], daemon.log
    assert daemon.ask("status")["system_clock_steps"] == 0


class LeapWorld:
    """Three servers announce and make a leap second, at the end of a month; one smears it."""

    def __init__(self, starts_before_s: int) -> None:
        self.ends_ns = month_ends_ns(time.time_ns())
        short = Leg(minimum_s=200e-6)
        honest = ServerModel(path=PathModel(forward=short, backward=short), leap=1)
        smearing = {"leap": 0, "lie": Lie(offset_s=-0.5, drift=-1 / 86_400)}
        world = World(
            oscillator=OSCILLATORS["calm"],
            servers=(honest, honest, honest, honest.model_copy(update=smearing)),
            seed=1,
        ).starting_now()
        starts_ns = self.ends_ns - starts_before_s * NS_PER_S
        self.world = world.model_copy(update={"start_utc_ns": starts_ns})

    def truth(self, servers: Servers) -> int:
        utc_ns = servers.truth(raw_now_ns())
        return utc_ns - (NS_PER_S if utc_ns >= self.ends_ns else 0)

    async def leap(self, servers: Servers) -> None:
        left_ns = self.ends_ns - NS_PER_S // 2 - self.truth(servers)
        await asyncio.sleep(left_ns / NS_PER_S)
        for number, server in enumerate(servers):
            offset_s = -1.0 if number < 3 else -0.5
            server.change(leap=0, lie=Lie(offset_s=offset_s))


async def test_no_time_is_served_around_a_leap_second_and_a_smearing_server_is_left_out(
    start_daemon,
):
    ports = [free_udp_port() for _ in range(4)]
    addresses = [f"127.0.0.1:{port}" for port in ports]
    daemon = start_daemon(*servers(*addresses), **QUICK)
    await asyncio.to_thread(daemon.wait_until, lambda: is_asking(daemon))
    leaping = LeapWorld(starts_before_s=14)
    async with serve(leaping.world, ports=ports) as running:
        await asyncio.to_thread(daemon.wait_until, lambda: "a leap second is due" in daemon.log)
        with Witness(daemon.record, lambda: leaping.truth(running)) as witness:
            await leaping.leap(running)
            assert witness.statuses[-1] is Status.DISRUPTED
            await asyncio.to_thread(daemon.wait_for, Status.SYNCHRONISED)
            smeared = addresses[3]
            await asyncio.to_thread(daemon.wait_until, lambda: reason_of(daemon, smeared) == "x")
    assert witness.statuses[-3:] == [Status.DISRUPTED, Status.WARMING_UP, Status.SYNCHRONISED]


def is_asking(daemon) -> bool:
    try:
        return all(each["reason"] == "?" for each in daemon.ask("sources"))
    except ChronoTickError:  # it does not listen yet
        return False
