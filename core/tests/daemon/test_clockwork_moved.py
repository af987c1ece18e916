"""What the clockwork does when time itself has moved: virtual machines, leap seconds, or a liar."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import pytest

from chronotick.config.schema import Config
from chronotick.daemon.clockwork import Clockwork
from chronotick.daemon.status import StateMachine
from chronotick.daemon.timekeeper import Timekeeper
from chronotick.lab.replaying.host import NoMemory
from chronotick.ntp import Measurement, Reason, Selection, SourceReport
from chronotick.shm.layout import Status

SECOND = 1_000_000_000
YEAR_ENDS_NS = 1_798_761_600 * SECOND  # 2027-01-01
BASE = YEAR_ENDS_NS - 100 * SECOND  # UTC - RAW: the year ends when RAW is 100 s
HALF_NS = 50_000


class Servers:
    """Three sources, of which those that lie say so."""

    def __init__(self) -> None:
        self.selection = Selection()
        self.bursts: list[bool] = []

    def believe(self, *names: str, offset_ns: int = BASE, others: Reason = Reason.USED) -> None:
        reasons = {name: Reason.USED if name in names else others for name in "abc"}
        self.selection = Selection(
            reasons=MappingProxyType(reasons),
            survivors=names,
            voters=frozenset(reasons) if names else frozenset(),
            low_ns=offset_ns - HALF_NS if names else None,
            high_ns=offset_ns + HALF_NS if names else None,
        )

    def selected(self) -> Selection:
        return self.selection

    def sources(self) -> list[SourceReport]:
        reasons = self.selection.reasons.items()
        return [SourceReport(id=s, name=s, reason=r, poll_s=16.0, reach=1) for s, r in reasons]

    def feedback(self, source: str, normalised_innovation: float) -> None:
        """Ask when it is asked."""

    def burst(self, *, forget: bool = False) -> None:
        self.bursts.append(forget)


def measurement(raw_s: float, source: str = "a", beyond_ns: int = 0, leap: int = 0) -> Measurement:
    return Measurement(
        source=source,
        raw_ns=round(raw_s * SECOND),
        offset_ns=BASE + beyond_ns,
        delay_ns=2 * HALF_NS,
        precision_ns=0,
        root_delay_ns=0,
        root_dispersion_ns=0,
        stratum=1,
        leap=leap,
    )


@pytest.fixture
def servers() -> Servers:
    found = Servers()
    found.believe("a", "b", "c")
    return found


def synchronised(servers: Servers, leap: int = 0, until_s: int = 40) -> Clockwork:
    config = Config()
    clockwork = Clockwork(
        Timekeeper(config),
        NoMemory(),
        StateMachine(lambda _: None),
        config.clock_measurement,
        raw_ns=0,
        suspended_ns=0,
    )
    for raw_s in range(1, until_s, 4):
        for source in "abc":
            clockwork.measure(measurement(raw_s, source, leap=leap), servers)
        clockwork.plan(raw_s * SECOND, servers, models_ready=True)
    assert clockwork.state.status is Status.SYNCHRONISED
    return clockwork


def status_at(clockwork: Clockwork, servers: Servers, raw_s: float) -> Status:
    return clockwork.plan(round(raw_s * SECOND), servers, models_ready=True).about.status


def test_all_are_asked_at_once_when_one_turns_against_the_others_but_not_again_and_again(servers):
    clockwork = synchronised(servers)
    servers.believe("b", "c", others=Reason.FALSETICKER)
    clockwork.measure(measurement(41.0, "a", beyond_ns=SECOND), servers)
    assert servers.bursts == [False]
    servers.believe("a", "b", "c")
    clockwork.measure(measurement(42.0, "a"), servers)
    servers.believe("b", "c", others=Reason.FALSETICKER)
    clockwork.measure(measurement(43.0, "b"), servers)
    assert servers.bursts == [False]


def test_a_liar_that_never_was_in_the_estimate_makes_nobody_ask(servers):
    servers.believe("b", "c", others=Reason.FALSETICKER)
    clockwork = synchronised(servers)
    clockwork.measure(measurement(41.0, "a", beyond_ns=SECOND), servers)
    assert servers.bursts == []


def test_the_clock_starts_over_when_the_believed_agree_on_another_time(servers):
    clockwork = synchronised(servers)
    servers.believe("a", "b", offset_ns=BASE + SECOND)
    clockwork.measure(measurement(41.0, "b", beyond_ns=SECOND), servers)
    assert clockwork.state.status is Status.DISRUPTED
    assert clockwork.state.reason == "the sources agree on a time +1000.000 ms from ours"
    assert servers.bursts == [True]
    plan = clockwork.plan(round(41.1 * SECOND), servers, models_ready=True)
    assert plan.target is None, "one of three is no majority"
    clockwork.measure(measurement(41.2, "a", beyond_ns=SECOND), servers)
    plan = clockwork.plan(round(41.3 * SECOND), servers, models_ready=True)
    assert plan.about.status is Status.WARMING_UP
    assert plan.target is not None
    assert plan.target.offset_ns == pytest.approx(BASE + SECOND, abs=HALF_NS)


def test_one_odd_measurement_alone_does_not_make_it_start_over(servers):
    """A lonely server's best sample still agrees with us: selection does not move with one."""
    clockwork = synchronised(servers)
    clockwork.measure(measurement(41.0, "b", beyond_ns=SECOND), servers)
    assert clockwork.state.status is Status.SYNCHRONISED


def test_what_sources_share_does_not_make_it_start_over_while_measurements_agree(servers):
    """Samples carried to now by a wrong rate are shifted, all of them alike."""
    clockwork = synchronised(servers)
    servers.believe("a", "b", offset_ns=BASE + SECOND)
    clockwork.measure(measurement(41.0, "b"), servers)
    assert clockwork.state.status is Status.SYNCHRONISED


@pytest.mark.parametrize("leap", [1, 2])
def test_no_time_is_served_around_an_announced_leap_second(servers, leap):
    clockwork = synchronised(servers, leap)
    assert status_at(clockwork, servers, 87.9) in {Status.SYNCHRONISED, Status.HOLDOVER}
    plan = clockwork.plan(round(88.1 * SECOND), servers, models_ready=True)
    assert (plan.about.status, plan.target) == (Status.DISRUPTED, None)
    assert clockwork.state.reason == "a leap second is due"
    assert not clockwork.measure(measurement(93.0, leap=leap), servers)
    assert status_at(clockwork, servers, 101.9) is Status.DISRUPTED
    assert servers.bursts == []
    assert status_at(clockwork, servers, 102.2) is Status.DISRUPTED
    assert servers.bursts == [True]
    assert clockwork.measure(measurement(102.3, "a", beyond_ns=-SECOND), servers)
    assert clockwork.measure(measurement(102.3, "b", beyond_ns=-SECOND), servers)
    assert status_at(clockwork, servers, 102.4) is Status.WARMING_UP


def test_a_month_that_ends_without_a_leap_second_is_like_any_other(servers):
    clockwork = synchronised(servers)
    assert status_at(clockwork, servers, 50.0) is Status.SYNCHRONISED
    for raw_s in (92, 96, 100, 104):
        clockwork.measure(measurement(float(raw_s)), servers)
        assert status_at(clockwork, servers, raw_s + 0.1) is Status.SYNCHRONISED


def test_the_served_generation_changes_so_that_readers_are_told_of_the_jump(servers):
    clockwork = synchronised(servers)
    before = clockwork.plan(41 * SECOND, servers, models_ready=True).generation
    servers.believe("a", "b", "c", offset_ns=BASE + SECOND)
    moved = replace(measurement(42.0), offset_ns=BASE + SECOND)
    clockwork.measure(moved, servers)
    after = clockwork.plan(43 * SECOND, servers, models_ready=True).generation
    assert after == before + 1
