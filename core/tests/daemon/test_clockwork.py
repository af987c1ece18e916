"""What the daemon decides, on a virtual clock."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from chronotick.clock import HostClocks
from chronotick.config.schema import Config
from chronotick.daemon.clockwork import Clockwork
from chronotick.daemon.memory import Memory
from chronotick.daemon.publisher import Plan
from chronotick.daemon.reload import effective, needing_restart
from chronotick.daemon.status import StateMachine
from chronotick.daemon.timekeeper import Timekeeper
from chronotick.history import boot_id, open_history
from chronotick.ntp import Measurement, Reason, Selection, SourceReport
from chronotick.shm.layout import Flags, Source, Status

SECOND = 1_000_000_000
BASE = 1_700_000_000 * SECOND


class Servers:
    """Sources that are believed or not, as a test says."""

    def __init__(self, **reasons: Reason) -> None:
        self.reasons = reasons
        self.bursts: list[bool] = []
        self.feedbacks: list[float] = []

    def selected(self) -> Selection:
        survivors = tuple(s for s, r in self.reasons.items() if r in {Reason.BEST, Reason.USED})
        voters = frozenset(self.reasons) if survivors else frozenset()
        return Selection(reasons=self.reasons, survivors=survivors, voters=voters)

    def sources(self) -> list[SourceReport]:
        return [
            SourceReport(id=s, name=s, reason=r, poll_s=16.0, reach=1 if self.feedbacks else 0)
            for s, r in self.reasons.items()
        ]

    def feedback(self, source: str, normalised_innovation: float) -> None:
        self.feedbacks.append(normalised_innovation)

    def burst(self, *, forget: bool = False) -> None:
        self.bursts.append(forget)


def measurement(raw_s: float, source: str = "a", beyond_ns: int = 0) -> Measurement:
    return Measurement(
        source=source,
        raw_ns=round(raw_s * SECOND),
        offset_ns=BASE + beyond_ns,
        delay_ns=100_000,
        precision_ns=1000,
        root_delay_ns=0,
        root_dispersion_ns=0,
        stratum=1,
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.sqlite3"


@pytest.fixture
def started(path: Path) -> Iterator[list[Clockwork]]:
    """Clockworks made by :func:`start`; their histories are closed after the test."""
    made: list[Clockwork] = []
    yield made
    for clockwork in made:
        clockwork.memory.close()


def start(
    started: list[Clockwork],
    path: Path,
    raw_s: float = 0.0,
    slept_ns: int = 0,
    servers: tuple[str, ...] = (),
) -> Clockwork:
    config = Config()
    timekeeper = Timekeeper(config)
    opened = open_history(path, 30.0)
    memory = Memory(opened.history, timekeeper, 3600.0, opened.messages)
    if servers:
        measured = {"ntp": {"servers": servers}}
        config = Config.model_validate({"clock_measurement": measured})
    clockwork = Clockwork(
        timekeeper,
        memory,
        StateMachine(memory.changed),
        config.clock_measurement,
        raw_ns=round(raw_s * SECOND),
        suspended_ns=slept_ns,
    )
    started.append(clockwork)
    return clockwork


@pytest.fixture
def clockwork(started: list[Clockwork], path: Path) -> Clockwork:
    return start(started, path)


def synchronise(clockwork: Clockwork, servers: Servers, until_s: int = 80) -> Plan:
    for second in range(1, until_s, 2):
        assert clockwork.measure(measurement(second), servers)
        plan = clockwork.plan(round((second + 0.1) * SECOND), servers, models_ready=True)
    return plan


def test_it_warms_up_and_synchronises(clockwork):
    servers = Servers(a=Reason.BEST)
    plan = clockwork.plan(0, servers, models_ready=False)
    assert (plan.target, plan.about.status, plan.about.source) == (
        None,
        Status.UNKNOWN,
        Source.NONE,
    )
    plan = synchronise(clockwork, servers)
    assert plan.about.status is Status.SYNCHRONISED
    assert plan.about.source is Source.NTP
    assert plan.about.flags == (
        Flags.NTP_READY | Flags.MODELS_READY | Flags.VALID | Flags.WARM_UP_COMPLETE
    )
    assert plan.about.measurements == 40
    assert len(servers.feedbacks) == 40


def test_a_measurement_of_a_source_that_is_not_believed_is_written_down_only(clockwork):
    servers = Servers(a=Reason.BEST, b=Reason.DISTANCE)
    synchronise(clockwork, servers)
    before = clockwork.timekeeper.accepted
    assert not clockwork.measure(measurement(80, "b", 10**9), servers)
    assert clockwork.timekeeper.accepted == before
    stored = clockwork.memory._history.measurements_since(0, boot_id())
    assert [s.selected for s in stored][-1] is False
    assert len(stored) == before + 1


def test_silence_is_holdover_and_a_measurement_ends_it(clockwork):
    servers = Servers(a=Reason.BEST)
    synchronise(clockwork, servers)
    plan = clockwork.plan(79 * SECOND + 49 * SECOND, servers, models_ready=True)
    assert (plan.about.status, plan.about.source) == (Status.HOLDOVER, Source.HOLDOVER)
    assert plan.target is not None
    servers.reasons = {"a": Reason.UNREACHABLE}
    later = clockwork.plan(1000 * SECOND, servers, models_ready=True)
    assert later.about.status is Status.HOLDOVER
    assert later.target is not None
    assert later.target.high_ns - later.target.low_ns > plan.target.high_ns - plan.target.low_ns
    servers.reasons = {"a": Reason.BEST}
    clockwork.measure(measurement(1001), servers)
    again = clockwork.plan(1001 * SECOND, servers, models_ready=True)
    assert again.about.status is Status.SYNCHRONISED


def test_a_liar_found_later_is_taken_out_of_the_estimate(clockwork, caplog):
    servers = Servers(a=Reason.BEST, b=Reason.USED)
    for second in range(1, 40, 2):
        clockwork.measure(measurement(second), servers)
        clockwork.measure(measurement(second + 0.5, "b", 200_000), servers)
    servers.reasons = {"a": Reason.BEST, "b": Reason.FALSETICKER}
    with caplog.at_level(logging.WARNING, "chronotick.daemon"):
        clockwork.measure(measurement(41), servers)
    plan = clockwork.plan(41 * SECOND, servers, models_ready=True)
    assert "without b" in caplog.text
    assert clockwork.timekeeper.contributors == {"a"}
    assert plan.target is not None
    assert abs(plan.target.offset_ns - BASE) < 20_000


def test_a_sleep_forgets_the_clock_once_and_asks_all_servers_again(clockwork):
    servers = Servers(a=Reason.BEST)
    before = synchronise(clockwork, servers)
    for _ in range(3):  # the publisher may report the same sleep several times
        clockwork.slept(HostClocks(80 * SECOND, BASE, 3600 * SECOND), servers)
    plan = clockwork.plan(80 * SECOND, servers, models_ready=True)
    assert servers.bursts == [True]
    assert plan.target is None
    assert plan.about.status is Status.DISRUPTED
    assert plan.suspended_ns == 3600 * SECOND
    assert plan.generation == before.generation + 1
    clockwork.measure(measurement(81, beyond_ns=3600 * SECOND), servers)
    woken = clockwork.plan(81 * SECOND, servers, models_ready=True)
    assert woken.about.status is Status.WARMING_UP
    assert woken.target is not None
    assert woken.target.offset_ns == BASE + 3600 * SECOND


def test_when_all_measurements_move_at_once_the_clock_was_disrupted(clockwork):
    servers = Servers(a=Reason.BEST)
    synchronise(clockwork, servers)
    statuses = []
    for second in range(80, 100, 2):
        clockwork.measure(measurement(second, beyond_ns=50_000_000), servers)
        statuses.append(clockwork.plan(second * SECOND, servers, models_ready=True).about.status)
    assert statuses[2] is Status.SYNCHRONISED
    assert Status.WARMING_UP in statuses
    assert statuses[-1] is Status.SYNCHRONISED
    assert clockwork.state.counts["disrupted"] == 1


def test_a_restart_goes_on_where_the_clock_was(started, path):
    first = start(started, path)
    synchronise(first, Servers(a=Reason.BEST))
    first.save(80 * SECOND)
    started.pop().memory.close()
    second = start(started, path, raw_s=100)
    assert second.resume(100 * SECOND)
    plan = second.plan(100 * SECOND, Servers(a=Reason.NOT_MEASURED), models_ready=True)
    assert plan.about.status is Status.SYNCHRONISED
    assert plan.target is not None
    assert abs(plan.target.offset_ns - BASE) < 20_000
    window = second.timekeeper.window(Config().short_term, 100 * SECOND)
    assert window is not None
    assert window.measured > 10  # contexts go on, too


@pytest.mark.parametrize(
    ("raw_s", "slept_ns"),
    [(79 + 3601, 0), (100, 60 * SECOND), (50, 0)],
    ids=["old", "slept", "future"],
)
def test_a_state_that_says_nothing_any_more_is_not_resumed(started, path, raw_s, slept_ns):
    first = start(started, path)
    synchronise(first, Servers(a=Reason.BEST))
    first.save(80 * SECOND)
    started.pop().memory.close()
    second = start(started, path, raw_s=raw_s, slept_ns=slept_ns)
    assert not second.resume(round(raw_s * SECOND))
    assert second.state.status is Status.UNKNOWN


def saved_and_started_again(
    started, path, before, *, raw_s: float = 100, servers: tuple[str, ...] = ()
) -> Clockwork:
    before(first := start(started, path))
    first.save(80 * SECOND)
    started.pop().memory.close()
    return start(started, path, raw_s=raw_s, servers=servers)


def test_a_state_measured_on_other_servers_is_not_resumed(started, path):
    """It once was, and a time wrong by 23 ms was vouched for with a bound of 165 us."""
    again = saved_and_started_again(
        started, path, lambda c: synchronise(c, Servers(a=Reason.BEST)), servers=("192.0.2.1",)
    )
    assert not again.resume(100 * SECOND)


def test_a_state_that_was_warming_up_is_not_resumed_as_synchronised(started, path):
    again = saved_and_started_again(
        started, path, lambda c: synchronise(c, Servers(a=Reason.BEST), until_s=4)
    )
    assert not again.resume(100 * SECOND)


def test_a_first_measurement_that_contradicts_a_resumed_clock_starts_it_over(started, path):
    again = saved_and_started_again(started, path, lambda c: synchronise(c, Servers(a=Reason.BEST)))
    assert again.resume(100 * SECOND)
    servers = Servers(a=Reason.BEST)
    before = again.plan(100 * SECOND, servers, models_ready=True)
    again.measure(measurement(100.5, beyond_ns=23_000_000), servers)
    plan = again.plan(100_500_000_000, servers, models_ready=True)
    assert plan.about.status in {Status.DISRUPTED, Status.UNKNOWN}
    assert plan.target is None
    assert plan.generation == before.generation + 1
    again.measure(measurement(101, beyond_ns=23_000_000), servers)
    target = again.plan(101 * SECOND, servers, models_ready=True).target
    assert target is not None
    assert target.offset_ns == BASE + 23_000_000


def test_sources_that_were_no_longer_believed_do_not_come_back(started, path):
    def before(clockwork: Clockwork) -> None:
        servers = Servers(a=Reason.BEST, b=Reason.USED)
        clockwork.measure(measurement(0.5, "b"), servers)
        synchronise(clockwork, servers)
        clockwork.measure(measurement(79.5, "b"), servers)
        servers.reasons["b"] = Reason.FALSETICKER
        clockwork.measure(measurement(80), servers)

    again = saved_and_started_again(started, path, before)
    assert again.resume(100 * SECOND)
    assert again.timekeeper.contributors == {"a"}


def test_how_many_may_lie_can_be_changed_while_it_runs(clockwork):
    servers = Servers(a=Reason.BEST, b=Reason.USED, c=Reason.USED)
    for source, beyond_ns in (("a", 0), ("b", 20_000), ("c", 40_000)):
        clockwork.measure(measurement(1, source, beyond_ns=beyond_ns), servers)
    minority = clockwork.plan(2 * SECOND, servers, models_ready=True).target
    trusting = Config.model_validate({"clock_measurement": {"ntp": {"max_falsetickers": 0}}})
    clockwork.configure(trusting.clock_measurement)
    nobody = clockwork.plan(2 * SECOND, servers, models_ready=True).target
    assert minority is not None
    assert nobody is not None
    assert nobody.high_ns - nobody.low_ns < minority.high_ns - minority.low_ns


def test_an_interrupted_reading_of_the_clocks_is_no_sleep(clockwork):
    """BOOTTIME - MONOTONIC read with a gap of 6 ms between the two once erased the clock."""
    servers = Servers(a=Reason.BEST)
    synchronise(clockwork, servers)
    for read_ns in (-6_000_000, -50_000_000, 9_000_000):
        clockwork.slept(HostClocks(80 * SECOND, BASE, read_ns), servers)
    assert clockwork.state.status is Status.SYNCHRONISED
    assert servers.bursts == []


@pytest.mark.parametrize("standing", [{}, {"standing": {"servers": [], "suspended_ns": math.inf}}])
def test_a_damaged_saved_state_is_told_and_not_used(started, path, standing):
    first = start(started, path)
    first.memory._history.save_state(boot_id(), 1, {"newest_raw_ns": 1, **standing})
    first.memory._history.save_scores({"kalman@99": [1, 1, 1, 1]})
    assert not first.resume(2)
    assert len(first.memory.messages) == 2
    assert all(message.startswith("history: ") for message in first.memory.messages)


def test_what_a_reload_cannot_change_is_named():
    old = Config()
    new = Config.model_validate(
        {
            "shm": {"path": "/elsewhere/record", "frequency": 50},
            "short_term": {"models": ["line"], "device": "cpu"},
            "fusion": {"method": "best"},
        }
    )
    assert needing_restart(old, new) == ["fusion.method", "shm.path", "short_term.device"]
    assert needing_restart(old, old) == []
    after = effective(old, new)
    assert (after.shm.frequency, after.short_term.models) == (50, ["line"])
    assert (after.shm.path, after.short_term.device) == (old.shm.path, old.short_term.device)
    assert needing_restart(after, new) == needing_restart(old, new)  # told at each reload
