from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.clock import ClockState, HardBound, Interval
from chronotick.ntp.measurement import Measurement

SECOND = 1_000_000_000

MEASUREMENT = Measurement(
    source="a",
    raw_ns=0,
    offset_ns=0,
    delay_ns=1000,
    precision_ns=0,
    root_delay_ns=0,
    root_dispersion_ns=0,
    stratum=1,
)

STATE = ClockState(
    raw_ns=0,
    offset_ns=0,
    frequency=1e-5,
    var_offset=0.0,
    cov=0.0,
    var_frequency=0.0,
    white_psd=0.0,
    wander_psd=0.0,
)


def bound() -> HardBound:
    return HardBound(max_drift=1e-6, max_frequency_error=1e-4)


def test_without_measurements_there_is_no_bound():
    assert bound().at(0, {"a"}) is None


def test_bound_is_half_the_delay_plus_what_the_server_states():
    b = bound()
    b.update(dataclasses.replace(MEASUREMENT, root_delay_ns=400, root_dispersion_ns=50), None)
    interval = b.at(0, {"a"})
    assert interval is not None
    assert (interval.low_ns, interval.high_ns) == (-750, 750)


def test_bound_grows_with_the_oscillators_limits():
    b = bound()
    b.update(MEASUREMENT, None)
    interval = b.at(SECOND, {"a"})
    assert interval is not None
    assert (interval.low_ns, interval.high_ns) == (-500 - 100_000, 500 + 100_000)


def test_estimated_frequency_moves_and_narrows_the_growth():
    b = bound()
    b.update(MEASUREMENT, STATE)
    interval = b.at(SECOND, {"a"})
    assert interval is not None
    assert interval.low_ns == pytest.approx(-500 + 9_000, abs=1)
    assert interval.high_ns == pytest.approx(500 + 11_000, abs=1)


def test_later_measurements_only_narrow_what_was_known():
    b = bound()
    b.update(MEASUREMENT, STATE)
    b.update(dataclasses.replace(MEASUREMENT, offset_ns=400), STATE)
    interval = b.at(0, {"a"})
    assert interval is not None
    assert (interval.low_ns, interval.high_ns) == (-100, 500)


def test_sources_are_intersected_and_contradicting_ones_hulled():
    b = bound()
    b.update(MEASUREMENT, STATE)
    b.update(dataclasses.replace(MEASUREMENT, source="b", offset_ns=600), STATE)
    b.update(dataclasses.replace(MEASUREMENT, source="c", offset_ns=5000), STATE)
    both, all_three = b.at(0, {"a", "b"}), b.at(0, {"a", "b", "c"})
    assert both is not None
    assert (both.low_ns, both.high_ns) == (100, 500)
    assert all_three is not None
    assert (all_three.low_ns, all_three.high_ns) == (-500, 5500)


def test_a_server_that_changed_its_mind_is_counted_and_taken_anew():
    b = bound()
    b.update(MEASUREMENT, STATE)
    b.update(dataclasses.replace(MEASUREMENT, offset_ns=10_000), STATE)
    interval = b.at(0, {"a"})
    assert b.contradictions == 1
    assert interval is not None
    assert interval.low_ns == 9_500


def test_forgetting_leaves_nothing():
    b = bound()
    b.update(MEASUREMENT, STATE)
    b.forget()
    assert b.at(0, {"a"}) is None


def test_snapshot_restores_the_same_bound():
    b, twin = bound(), bound()
    b.update(MEASUREMENT, STATE)
    twin.restore(b.snapshot())
    assert twin.at(12345, {"a"}) == b.at(12345, {"a"})
    with pytest.raises(ValueError, match="damaged"):
        twin.restore({"a": [1, 2]})


@given(
    st.floats(-9e-7, 9e-7),
    st.lists(st.tuples(st.integers(1, 10**10), st.floats(-0.5, 0.5)), min_size=1, max_size=20),
    st.integers(0, 10**12),
)
def test_truth_stays_inside_whatever_honest_servers_say(wrong_by, exchanges, later):
    """An oscillator within its limits and errors within half the delay: never a violation."""
    b = bound()
    true_frequency = STATE.frequency + wrong_by
    raw_ns = 0
    for gap, asymmetry in exchanges:
        raw_ns += gap
        offset = round(true_frequency * raw_ns + asymmetry * (MEASUREMENT.delay_ns - 2))
        b.update(dataclasses.replace(MEASUREMENT, raw_ns=raw_ns, offset_ns=offset), STATE)
    interval = b.at(raw_ns + later, {"a"})
    assert b.contradictions == 0
    assert interval is not None
    assert interval.low_ns <= true_frequency * (raw_ns + later) <= interval.high_ns


def test_carrying_an_interval_back_widens_it_too():
    interval = Interval(raw_ns=SECOND, low_ns=0, high_ns=0, low_rate=-1e-6, high_rate=3e-6)
    earlier = interval.at(0)
    assert (earlier.low_ns, earlier.high_ns) == (-3000, 1000)
