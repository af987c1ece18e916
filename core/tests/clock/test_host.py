from __future__ import annotations

import time

import pytest

from chronotick.clock import host
from chronotick.clock.host import HostClocks, read_clocks, suspended_baseline_ns

TOLERATED_NS = 10_000_000  # the daemon may round it to 10 ms


@pytest.mark.parametrize("longer_ns", [-5, 0, TOLERATED_NS])
def test_a_host_that_has_not_slept(longer_ns: int):
    assert not HostClocks(1, 2, 7 * 10**9 + longer_ns).slept_since(7 * 10**9)


def test_a_host_that_has_slept():
    assert HostClocks(1, 2, 7 * 10**9 + TOLERATED_NS + 1).slept_since(7 * 10**9)


def test_the_clocks_are_read_together():
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
    clocks = read_clocks()
    assert before <= clocks.raw_ns <= time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)


def test_what_the_host_had_slept_is_the_largest_of_several_readings(
    monkeypatch: pytest.MonkeyPatch,
):
    """One that was interrupted is too small: later ones would be taken for a sleep."""
    readings = iter([5, 3, 5, 9, 5, 5, 5, 5])
    monkeypatch.setattr(host, "suspended_ns", lambda: next(readings))
    assert suspended_baseline_ns() == 9
