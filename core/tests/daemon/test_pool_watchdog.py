"""What follows from the watchdog's alarm, and when it runs."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest

from chronotick.config.schema import ClockMeasurement
from chronotick.daemon.pool_watchdog import DISTRUSTED, PoolWatchdog
from chronotick.daemon.publisher import Description, Plan
from chronotick.daemon.status import StateMachine, Transition
from chronotick.lab.network import Leg, PathModel
from chronotick.lab.oscillator import OSCILLATORS
from chronotick.lab.server import Servers, serve
from chronotick.lab.world import ServerModel, World
from chronotick.ntp import Selection
from chronotick.ntp.report import SourceReport
from chronotick.ntp.selection import Reason
from chronotick.shm.layout import Flags, Source, Status

SHORT = Leg(minimum_s=1e-4)
WORLD = World(
    oscillator=OSCILLATORS["calm"],
    servers=(ServerModel(path=PathModel(forward=SHORT, backward=SHORT)),) * 3,
    seed=1,
)
PLAN = Plan(
    made_raw_ns=0,
    target=None,
    about=Description(
        status=Status.SYNCHRONISED,
        flags=Flags.VALID | Flags.WARM_UP_COMPLETE | Flags.NTP_READY,
        source=Source.NTP,
        confidence=1.0,
        last_sync_raw_ns=0,
        measurements=9,
    ),
    suspended_ns=0,
)


@dataclass
class Measured:
    """The sources that the clock is measured by, as a monitor tells of them."""

    report: SourceReport

    def selected(self) -> Selection:
        return Selection(survivors=(self.report.id,))

    def sources(self) -> list[SourceReport]:
        return [self.report]


class Watched:
    """A watchdog over a pool of real servers, and what it watches."""

    def __init__(self, servers: Servers) -> None:
        self.servers = servers
        self.error_ns = 0
        self.changes = 0
        self.transitions: list[Transition] = []
        self.state = StateMachine(self.transitions.append)
        self.state.change(0, Status.SYNCHRONISED, "as the test wants it")
        report = SourceReport(id="192.0.2.1:123", name="a", port=123, reason=Reason.BEST)
        self.measured = Measured(report)
        self.watchdog = PoolWatchdog(self._served, self.measured, self._changed)

    def configured(self, **keys: object) -> ClockMeasurement:
        section = {
            "enabled": True,
            "servers": list(self.servers.addresses),
            "sample_size": 3,
            "interval_seconds": 0.02,
            "panic_trigger": 1,
        }
        return ClockMeasurement.model_validate({"watchdog": section | keys})

    def considered(self) -> Plan:
        return self.watchdog.considered(PLAN, self.state)

    def _served(self, raw_ns: int) -> tuple[int, int]:
        return self.servers.truth(raw_ns) + self.error_ns, 1_000_000

    def _changed(self) -> None:
        self.changes += 1

    async def until(self, **found: object) -> None:
        """Wait until the watchdog's report has such values."""
        while {k: self.watchdog.report()[k] for k in found} != found:  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def _watched() -> AsyncIterator[Watched]:
    async with serve(WORLD.starting_now()) as servers:
        watched = Watched(servers)
        try:
            yield watched
        finally:
            await watched.watchdog.close()


@pytest.fixture
async def watched() -> AsyncIterator[Watched]:
    async with _watched() as made:
        yield made


async def test_it_does_not_run_unless_it_is_asked_to(watched: Watched):
    await watched.watchdog.use(ClockMeasurement())
    assert watched.watchdog.report() is None
    assert watched.considered() is PLAN


async def test_an_alarm_is_reported_and_by_itself_changes_nothing(watched: Watched):
    watched.error_ns = 10**9
    await watched.watchdog.use(watched.configured())
    await watched.until(alarm=True)
    assert watched.changes == 1
    assert watched.considered() is PLAN
    assert watched.watchdog.report()["disrupts"] is False


async def test_distrusted_time_is_published_as_disrupted_until_the_alarm_ends(watched: Watched):
    watched.error_ns = 10**9
    await watched.watchdog.use(watched.configured(action="disrupt"))
    assert watched.considered() is PLAN
    await watched.until(alarm=True)
    about = watched.considered().about
    assert (about.status, about.flags) == (Status.DISRUPTED, Flags.NTP_READY)
    assert watched.state.reason == DISTRUSTED
    watched.error_ns = 0
    await watched.until(alarm=False)
    assert watched.considered() is PLAN
    told = [(each.before, each.after) for each in watched.transitions[1:]]
    good, bad = Status.SYNCHRONISED, Status.DISRUPTED
    assert told == [(good, bad), (bad, good)]


async def test_a_pool_cannot_stop_a_clock_that_has_authenticated_time(watched: Watched):
    watched.measured.report = replace(watched.measured.report, authenticated=True)
    watched.error_ns = 10**9
    await watched.watchdog.use(watched.configured(action="disrupt"))
    await watched.until(alarm=True)
    assert watched.considered() is PLAN
    assert watched.watchdog.report()["problem"]


async def test_a_reload_that_changes_nothing_keeps_what_it_found(watched: Watched):
    watched.error_ns = 10**9
    await watched.watchdog.use(watched.configured())
    await watched.until(alarm=True)
    await watched.watchdog.use(watched.configured())
    await watched.watchdog.use(watched.configured(action="disrupt"))
    assert watched.watchdog.report()["disrupts"] is True
    await watched.watchdog.use(watched.configured(w=0.5))
    assert watched.watchdog.report()["alarm"] is False
    await watched.watchdog.use(watched.configured(enabled=False))
    assert watched.watchdog.report() is None


async def test_servers_that_the_clock_is_measured_by_are_not_asked(watched: Watched):
    first = watched.servers.addresses[0]
    watched.measured.report = replace(watched.measured.report, id=first)
    await watched.watchdog.use(watched.configured(sample_size=3))
    await watched.until(pool=2)
    await asyncio.sleep(0.1)
    told = watched.watchdog.report()
    assert (told["pool"], told["verdict"]) == (2, None)
