"""What follows from the watchdog's alarm, and when it runs."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from chronotick.config.schema import ClockMeasurement, Config
from chronotick.daemon.memory import Memory
from chronotick.daemon.pool_watchdog import DISTRUSTED, ClockSources, PoolWatchdog
from chronotick.daemon.publisher import Description, Plan
from chronotick.daemon.status import StateMachine, Transition
from chronotick.daemon.timekeeper import Timekeeper
from chronotick.history import History, open_history
from chronotick.lab.network import Leg, PathModel
from chronotick.lab.oscillator import OSCILLATORS
from chronotick.lab.server import Servers, serve
from chronotick.lab.world import ServerModel, World
from chronotick.ntp import Selection
from chronotick.ntp.report import SourceReport
from chronotick.ntp.selection import Reason
from chronotick.ntp.watchdog.pool import LISTED_S
from chronotick.shm.layout import Flags, Source, Status

OTHERS = ["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"]
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
class Measured(ClockSources):
    """The sources that the clock is measured by, as a monitor tells of them."""

    report: SourceReport
    believed: bool = True

    def selected(self) -> Selection:
        return Selection(survivors=(self.report.id,) if self.believed else ())

    def sources(self) -> list[SourceReport]:
        return [self.report]


class Watched:
    """A watchdog over a pool of real servers, what it watches, and where it is remembered."""

    def __init__(self, servers: Servers, history: History) -> None:
        self.servers = servers
        self.error_ns = 0
        self.changes = 0
        self.transitions: list[Transition] = []
        self.state = StateMachine(self.transitions.append)
        self.state.change(0, Status.SYNCHRONISED, "as the test wants it")
        report = SourceReport(id="192.0.2.1:123", name="a", port=123, reason=Reason.BEST)
        self.measured = Measured(report)
        self.history = history
        self.memory = Memory(history, Timekeeper(Config()), 3600.0, ())
        self.watchdog = self._new()

    def _new(self) -> PoolWatchdog:
        return PoolWatchdog(self._served, self.measured, self._changed, self.memory)

    async def restart(self) -> None:
        """End, and be another process."""
        await self.watchdog.close()
        self.watchdog = self._new()

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
async def _watched(path: Path) -> AsyncIterator[Watched]:
    async with serve(WORLD.starting_now()) as servers:
        watched = Watched(servers, open_history(path, 30).history)
        try:
            yield watched
        finally:
            await watched.watchdog.close()
            watched.history.close()


@pytest.fixture
async def watched(tmp_path: Path) -> AsyncIterator[Watched]:
    async with _watched(tmp_path / "history.sqlite3") as made:
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


async def test_a_reload_that_changes_no_pool_keeps_what_it_found(watched: Watched):
    watched.error_ns = 10**9
    await watched.watchdog.use(watched.configured())
    await watched.until(alarm=True)
    await watched.watchdog.use(watched.configured())
    await watched.watchdog.use(watched.configured(action="disrupt"))
    assert watched.watchdog.report()["disrupts"] is True
    await watched.watchdog.use(watched.configured(w=0.5, interval_seconds=0.01))
    told = watched.watchdog.report()
    assert (told["alarm"], told["alarm_from_before"], told["alarms"]) == (True, False, 1)
    watched.error_ns = 0
    await watched.until(alarm=False)


def dropped(caplog: pytest.LogCaptureFixture) -> list[str]:
    told = [record.getMessage() for record in caplog.records]
    return [line.partition(" while its alarm stood")[0] for line in told if "alarm stood" in line]


@pytest.mark.parametrize(
    ("change", "done"),
    [
        ({"enabled": False}, "the watchdog was disabled"),
        ({"pool_size": 400}, "the watchdog's pool was changed"),
        ({"servers": OTHERS}, "the watchdog's pool was changed"),
    ],
)
@pytest.mark.parametrize("restarts", [False, True])
async def test_an_alarm_that_nobody_checks_any_more_ends_with_a_line(
    watched: Watched, change, done: str, caplog: pytest.LogCaptureFixture, *, restarts: bool
):
    watched.error_ns = 10**9
    await watched.watchdog.use(watched.configured())
    await watched.until(alarm=True)
    if restarts:
        await watched.restart()
    await watched.watchdog.use(watched.configured(**change))
    assert dropped(caplog) == [done]
    await watched.restart()
    await watched.watchdog.use(watched.configured())
    assert watched.watchdog.report()["alarm"] is False


async def test_an_alarm_stands_after_a_restart_from_the_first_record_on(watched: Watched):
    watched.error_ns = 10**9
    await watched.watchdog.use(watched.configured(action="disrupt"))
    await watched.until(alarm=True)
    await watched.restart()
    await watched.watchdog.use(watched.configured(action="disrupt"))
    assert watched.considered().about.status is Status.DISRUPTED
    assert watched.watchdog.report()["alarm_from_before"] is True
    watched.error_ns = 0
    await watched.until(alarm=False)
    assert watched.considered() is PLAN
    await watched.restart()
    await watched.watchdog.use(watched.configured(action="disrupt"))
    assert watched.considered() is PLAN


async def test_who_vouched_before_a_restart_does_until_sources_are_believed(watched: Watched):
    """Otherwise each start of a clock with authenticated time would be disrupted for a moment."""
    watched.measured.report = replace(watched.measured.report, authenticated=True)
    watched.error_ns = 10**9
    await watched.watchdog.use(watched.configured(action="disrupt"))
    await watched.until(alarm=True)
    assert watched.considered() is PLAN
    await watched.restart()
    watched.measured.believed = False
    await watched.watchdog.use(watched.configured(action="disrupt"))
    assert watched.watchdog.report()["alarm"] is True
    assert watched.considered() is PLAN
    watched.measured.believed = True
    watched.measured.report = replace(watched.measured.report, authenticated=False)
    assert watched.considered().about.status is Status.DISRUPTED


@pytest.mark.parametrize("body", [{}, {"version": 99}, {"version": 1, "at": {}, "watch": 7}])
async def test_what_was_kept_and_cannot_be_used_is_a_line_in_the_log(
    watched: Watched, body, caplog: pytest.LogCaptureFixture
):
    watched.history.save_part("watchdog", body)
    await watched.restart()
    await watched.watchdog.use(watched.configured())
    await watched.until(pool=3)
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 1
    assert told[0].startswith("the watchdog begins anew: what was kept of it cannot be used (")


async def test_servers_that_the_clock_is_measured_by_are_not_asked(watched: Watched):
    first = watched.servers.addresses[0]
    host, port = first.split(":")
    report = replace(watched.measured.report, id=first, address=host, port=int(port))
    watched.measured.report = report
    await watched.watchdog.use(watched.configured(sample_size=3))
    await watched.until(pool=2)
    await asyncio.sleep(0.1)
    told = watched.watchdog.report()
    assert (told["pool"], told["verdict"]) == (2, None)


@pytest.mark.parametrize(
    ("source", "port"),
    [("nts://192.0.2.1:4460", 4460), ("key://1@192.0.2.1:123", 123), ("192.0.2.1:1123", 1123)],
)
async def test_nor_is_one_that_the_clock_asks_in_another_way(
    watched: Watched, source: str, port: int
):
    report = watched.measured.report
    watched.measured.report = replace(report, id=source, address="192.0.2.1", port=port)
    servers = [f"192.0.2.{n}" for n in (1, 2, 3)]  # too few without the first: nobody is asked
    await watched.watchdog.use(watched.configured(servers=servers, interval_seconds=64))
    await watched.until(pool=2)


async def test_a_source_without_an_address_yet_leaves_nobody_out(watched: Watched):
    watched.measured.report = replace(watched.measured.report, id="a.example", address="", port=0)
    await watched.watchdog.use(watched.configured())
    await watched.until(pool=3)


async def test_the_whole_pool_is_not_asked_again_soon_after_a_reload(watched: Watched):
    watched.error_ns = 10**9
    await watched.watchdog.use(watched.configured())
    await watched.until(panics=1, alarm=True)
    await watched.watchdog.use(watched.configured(w=0.02))
    failed = watched.watchdog.report()["samples"]["contradicts"]
    while watched.watchdog.report()["samples"]["contradicts"] < failed + 5:  # noqa: ASYNC110 - no event
        await asyncio.sleep(0.01)
    assert watched.watchdog.report()["panics"] == 1


def saved(watched: Watched) -> dict[str, Any]:
    """What a crash at this very moment leaves: no task runs meanwhile."""
    return dict(watched.memory.load_part("watchdog") or {})


async def test_a_system_clock_set_forward_makes_nothing_older_over_a_restart(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
):
    watched.error_ns = 10**9
    await watched.watchdog.use(watched.configured())
    await watched.until(panics=1, alarm=True)
    await watched.restart()
    set_forward = time.time() + 40 * 86_400.0
    monkeypatch.setattr("chronotick.daemon.pool_watchdog.time.time", lambda: set_forward)
    await watched.watchdog.use(watched.configured())
    body = saved(watched)
    assert body["at"]["unix_s"] == set_forward
    assert body["watch"]["panic_age_s"] < 3600.0
    assert watched.watchdog.report()["alarm_from_before"] is True


async def test_an_alarm_that_is_dropped_at_the_start_is_not_found_again_after_a_crash(
    watched: Watched, caplog: pytest.LogCaptureFixture
):
    watched.error_ns = 10**9
    await watched.watchdog.use(watched.configured(action="disrupt"))
    await watched.until(alarm=True)
    await watched.watchdog.close()
    body = saved(watched)
    body["watch"]["alarm_age_s"] = LISTED_S
    watched.memory.save_part("watchdog", body)
    await watched.restart()
    await watched.watchdog.use(watched.configured(action="disrupt"))
    assert watched.considered() is PLAN
    assert saved(watched)["watch"]["alarm"] is None
    assert dropped(caplog) == ["the watchdog could not check for 30 days"]
