"""What the daemon decides, on a virtual clock."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from chronotick.clock import HostClocks
from chronotick.config.schema import Config
from chronotick.daemon.clockwork import Clockwork
from chronotick.daemon.memory import Memory
from chronotick.daemon.publisher import Plan
from chronotick.daemon.reload import needing_restart
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
        return Selection(reasons=self.reasons, survivors=survivors)

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


def start(started: list[Clockwork], path: Path, raw_s: float = 0.0, slept_ns: int = 0) -> Clockwork:
    config = Config()
    timekeeper = Timekeeper(config)
    opened = open_history(path, 30.0)
    memory = Memory(opened.history, timekeeper, 3600.0, opened.messages)
    clocks = HostClocks(round(raw_s * SECOND), BASE, slept_ns)
    timing = config.clock_measurement.timing
    clockwork = Clockwork(timekeeper, memory, StateMachine(memory.changed), timing, clocks)
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


def test_a_damaged_saved_state_is_told_and_not_used(started, path):
    first = start(started, path)
    first.memory._history.save_state(boot_id(), 1, {"newest_raw_ns": 1, "suspended_ns": 0})
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
