"""A daemon runs, for real; the replay of what it remembered finds what it had found."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from chronotick.config.schema import Config
from chronotick.daemon.app import Daemon
from chronotick.daemon.clockwork import Clockwork, Sources
from chronotick.daemon.publisher import Plan
from chronotick.history import reading
from chronotick.history.queries import measurements_since
from chronotick.lab import World, serve
from chronotick.lab.recordings import read_recording
from chronotick.lab.replaying.driving import Drive
from chronotick.lab.replaying.host import VirtualHost
from chronotick.lab.replaying.models import Models
from chronotick.ntp import Measurement
from chronotick.plugin.registry import Discovery, load_plugins

ENOUGH = 80  # measurements
PATIENCE_S = 40.0
LATE_NS = 2_000_000_000  # what a busy machine may take from a reply to taking it in


@pytest.fixture
def directory() -> Iterator[Path]:
    # pytest's own tmp_path is too long for the path of a Unix socket.
    made = Path(tempfile.mkdtemp(prefix="ct-"))
    yield made
    shutil.rmtree(made)


def configured(directory: Path, servers: tuple[str, ...]) -> Config:
    return Config.model_validate(
        {
            "clock_measurement": {
                "ntp": {"servers": list(servers)},
                "timing": {
                    "warm_up": {"duration_seconds": 1, "measurement_interval": 0.2},
                    "normal_operation": {"measurement_interval": 0.3, "max_interval": 0.4},
                },
            },
            "shm": {"path": str(directory / "record")},
            "history": {"path": str(directory / "history.sqlite3")},
            "control": {"socket": str(directory / "control.sock")},
        }
    )


@dataclass
class Live:
    """What a daemon planned while it ran."""

    plans: list[tuple[Plan, int]] = field(default_factory=list)
    """With how many measurements had been taken in by then, believed or not."""
    started_raw_ns: int = 0

    async def run(self, config: Config) -> None:
        daemon = Daemon(config, Discovery(), lambda: config)
        running = asyncio.create_task(daemon.run())
        end_s = time.monotonic() + PATIENCE_S
        while not hasattr(daemon, "clockwork"):
            assert not running.done()
            await asyncio.sleep(0.005)
        keeper = daemon.clockwork.timekeeper
        self.started_raw_ns = daemon.clockwork._warm_since_ns
        self._follow(daemon.clockwork)
        while keeper.accepted < ENOUGH:
            assert time.monotonic() < end_s, "too few measurements"
            assert not running.done()
            await asyncio.sleep(0.001)
        daemon._stop.set()
        await running

    def _follow(self, clockwork: Clockwork) -> None:
        measure, plan, taken = clockwork.measure, clockwork.plan, 0

        def counted(measurement: Measurement, sources: Sources) -> bool:
            nonlocal taken
            taken += 1
            return measure(measurement, sources)

        def kept(raw_ns: int, sources: Sources, *, models_ready: bool) -> Plan:
            made = plan(raw_ns, sources, models_ready=models_ready)
            self.plans.append((made, taken))
            return made

        clockwork.measure, clockwork.plan = counted, kept  # type: ignore[method-assign]


async def test_a_replay_finds_what_the_daemon_had_found(directory: Path):
    world = World.from_preset("dc-calm", servers=4, false=1, seed=7).starting_now()
    live = Live()
    async with serve(world) as served:
        config = configured(directory, served.addresses)
        await live.run(config)
    path = directory / "history.sqlite3"
    await asyncio.to_thread(compare, path, config, live)


def compare(path: Path, config: Config, live: Live) -> None:
    """In a thread without an event loop, where a virtual one can run."""
    recording = read_recording(str(path))
    with reading(path) as connection:
        (boot,) = connection.execute("SELECT DISTINCT boot_id FROM measurements").fetchone()
        stored = {
            (each.measurement.source, each.measurement.raw_ns): each.selected
            for each in measurements_since(connection, boot, 0)
        }
    arrivals_ns = [arrival.raw_ns for arrival in recording.arrivals]
    compared = 0
    believed: dict[tuple[str, int], bool] = {}
    with (
        Models(config, load_plugins()) as models,
        VirtualHost(config, models, live.started_raw_ns) as host,
    ):
        learn = host.arrive

        def noted(arrival) -> bool:
            learnt = learn(arrival)
            believed[arrival.measurement.source, arrival.measurement.raw_ns] = learnt
            return learnt

        host.arrive = noted  # type: ignore[method-assign]
        drive = Drive(host, recording.arrivals)
        for plan, taken in live.plans:
            if plan.target is None or plan.made_raw_ns > arrivals_ns[-1]:
                continue
            drive.until(plan.made_raw_ns)
            found = host.make_plan(plan.made_raw_ns)
            assert found.target is not None
            if (found.about.measurements, len(believed)) != (plan.about.measurements, taken):
                # The history does not hold when a reply was taken in, only when it arrived.
                assert min(abs(plan.made_raw_ns - each) for each in arrivals_ns) < LATE_NS
                continue
            assert found.about.status is plan.about.status
            assert found.about.source is plan.about.source
            assert abs(found.target.offset_ns - plan.target.offset_ns) <= 100
            assert found.target.sigma_ns == pytest.approx(plan.target.sigma_ns, rel=0.01)
            assert found.target.low_ns == pytest.approx(plan.target.low_ns, abs=100)
            assert found.target.high_ns == pytest.approx(plan.target.high_ns, abs=100)
            compared += 1
        drive.until(arrivals_ns[-1])
    assert compared >= 0.5 * len(live.plans)
    assert believed == stored
