from __future__ import annotations

import pytest

from chronotick.clock import HostClocks
from chronotick.daemon.system_clock import SystemClock

SECOND = 1_000_000_000
BASE = 1_700_000_000 * SECOND
HOUR = 3600 * SECOND


def clocks(raw_ns: int, moved_ns: int = 0, suspended_ns: int = 0) -> HostClocks:
    return HostClocks(raw_ns, BASE + raw_ns + moved_ns, suspended_ns)


@pytest.fixture
def system() -> SystemClock:
    system = SystemClock()
    system.look(clocks(0))
    return system


@pytest.mark.parametrize("step_ns", [HOUR, -HOUR, 2_000_000])
def test_a_step_is_counted_and_told_with_its_size(system: SystemClock, step_ns: int, caplog):
    system.look(clocks(SECOND // 10, step_ns))
    system.look(clocks(SECOND // 5, step_ns))
    assert system.steps == 1
    (record,) = caplog.records
    assert f"stepped by {step_ns * 1e-9:+.6f} s" in record.getMessage()


def test_the_rate_is_what_somebody_slews_it_by_and_no_step(system: SystemClock):
    assert system.rate is None
    for tenth in range(1, 60):
        raw_ns = tenth * SECOND // 10
        system.look(clocks(raw_ns, round(-500e-6 * raw_ns)))
    assert system.rate == pytest.approx(-500e-6, abs=1e-9)
    assert system.steps == 0


def test_the_rate_is_taken_anew_after_a_step(system: SystemClock):
    system.look(clocks(5 * SECOND, 50_000))
    assert system.rate == pytest.approx(10e-6)
    system.look(clocks(6 * SECOND, HOUR))
    assert system.rate is None
    system.look(clocks(8 * SECOND, HOUR))
    assert system.rate is None
    system.look(clocks(10 * SECOND, HOUR + 80_000))
    assert system.rate == pytest.approx(20e-6)


def test_what_the_host_slept_is_no_step_of_somebodys(system: SystemClock, caplog):
    """RAW stands still meanwhile, CLOCK_REALTIME goes on."""
    system.look(clocks(SECOND, HOUR, suspended_ns=HOUR))
    assert system.steps == 0
    assert not caplog.records
    system.look(clocks(6 * SECOND, HOUR + 25_000, suspended_ns=HOUR))
    assert system.rate == pytest.approx(5e-6)


def test_a_step_beside_a_sleep_is_a_step(system: SystemClock):
    system.look(clocks(SECOND, HOUR + 400_000_000, suspended_ns=HOUR))
    assert system.steps == 1


def test_readings_of_the_sleep_that_were_interrupted_make_no_step(system: SystemClock):
    system.look(clocks(SECOND, suspended_ns=-9_000_000))
    system.look(clocks(2 * SECOND))
    assert system.steps == 0
