"""What becomes of the clock when VMClock tells that the machine goes on elsewhere, or later."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chronotick.config.schema import Config
from chronotick.daemon.clockwork import Clockwork
from chronotick.daemon.memory import Memory
from chronotick.daemon.status import StateMachine
from chronotick.daemon.timekeeper import Timekeeper
from chronotick.history import open_history
from chronotick.ntp import Measurement, Reason, Selection, SourceReport
from chronotick.shm.layout import Status

SECOND = 1_000_000_000
BASE = 1_700_000_000 * SECOND
HOUR_S = 3600

Start = Callable[..., Clockwork]


class OneServer:
    """A source that is believed."""

    def __init__(self) -> None:
        self.bursts: list[bool] = []

    def selected(self) -> Selection:
        return Selection(reasons={"a": Reason.BEST}, survivors=("a",), voters=frozenset("a"))

    def sources(self) -> list[SourceReport]:
        return [SourceReport(id="a", name="a", reason=Reason.BEST, poll_s=16.0, reach=1)]

    def feedback(self, source: str, normalised_innovation: float) -> None:
        pass

    def burst(self, *, forget: bool = False) -> None:
        self.bursts.append(forget)


@pytest.fixture
def servers() -> OneServer:
    return OneServer()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a clockwork on one history, at a RAW time and with a marker; the one before ends."""
    running: list[Clockwork] = []

    def end() -> None:
        while running:
            running.pop().memory.close()

    def begin(raw_s: int, marker: int | None) -> Clockwork:
        end()
        config = Config()
        timekeeper = Timekeeper(config)
        history = open_history(tmp_path / "history.sqlite3", retention_days=30.0).history
        clockwork = Clockwork(
            timekeeper,
            Memory(history, timekeeper, HOUR_S, ()),
            StateMachine(lambda _: None, raw_s * SECOND),
            config.clock_measurement,
            raw_ns=raw_s * SECOND,
            suspended_ns=0,
            marker=marker,
        )
        running.append(clockwork)
        return clockwork

    yield begin
    end()


def synchronise(clockwork: Clockwork, servers: OneServer, from_s: int = 0) -> None:
    for raw_s in range(from_s + 1, from_s + 40, 4):
        clockwork.measure(measurement(raw_s), servers)
        clockwork.plan(raw_s * SECOND, servers, models_ready=True)
    assert clockwork.state.status is Status.SYNCHRONISED


def measurement(raw_s: int) -> Measurement:
    return Measurement(
        source="a",
        raw_ns=raw_s * SECOND,
        offset_ns=BASE,
        delay_ns=100_000,
        precision_ns=1000,
        root_delay_ns=0,
        root_dispersion_ns=0,
        stratum=1,
    )


def test_another_marker_forgets_the_clock_once_and_asks_all_servers_again(start: Start, servers):
    clockwork = start(0, marker=7)
    synchronise(clockwork, servers)
    before = clockwork.plan(40 * SECOND, servers, models_ready=True)
    assert before.marker == 7
    for _ in range(3):  # the publisher may report the same move several times
        clockwork.moved(41 * SECOND, 8, servers)
    after = clockwork.plan(41 * SECOND, servers, models_ready=True)
    assert servers.bursts == [True]
    assert after.target is None
    assert after.about.status is Status.DISRUPTED
    assert "VMClock" in clockwork.state.reason
    assert (after.marker, after.generation) == (8, before.generation + 1)
    synchronise(clockwork, servers, from_s=41)


@pytest.mark.parametrize(
    ("markers", "goes_on"), [((7, 7), True), ((7, 8), False), ((None, None), True)]
)
def test_a_restart_goes_on_only_with_the_marker_from_before(
    start: Start, servers, markers: tuple[int | None, int | None], goes_on: bool, caplog
):
    clockwork = start(0, markers[0])
    synchronise(clockwork, servers)
    clockwork.save(40 * SECOND)
    with caplog.at_level("INFO", "chronotick.history"):
        assert start(45, markers[1]).resume(45 * SECOND) is goes_on
    assert ("migrated or restored" in caplog.text) is not goes_on
