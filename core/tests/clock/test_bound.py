from __future__ import annotations

import dataclasses
import math

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
    assert bound().at(0) is None


def test_bound_is_half_the_delay_plus_what_the_server_states():
    b = bound()
    b.update(dataclasses.replace(MEASUREMENT, root_delay_ns=400, root_dispersion_ns=50), None)
    interval = b.at(0)
    assert interval is not None
    assert (interval.low_ns, interval.high_ns) == (-750, 750)


def test_bound_grows_with_the_oscillators_limits():
    b = bound()
    b.update(MEASUREMENT, None)
    interval = b.at(SECOND)
    assert interval is not None
    assert (interval.low_ns, interval.high_ns) == (-500 - 100_000, 500 + 100_000)


def test_estimated_frequency_moves_and_narrows_the_growth():
    b = bound()
    b.update(MEASUREMENT, STATE)
    interval = b.at(SECOND)
    assert interval is not None
    assert interval.low_ns == pytest.approx(-500 + 9_000, abs=1)
    assert interval.high_ns == pytest.approx(500 + 11_000, abs=1)


def test_later_measurements_only_narrow_what_was_known():
    b = bound()
    b.update(MEASUREMENT, STATE)
    b.update(dataclasses.replace(MEASUREMENT, offset_ns=400), STATE)
    interval = b.at(0)
    assert interval is not None
    assert (interval.low_ns, interval.high_ns) == (-100, 500)


def limits_of(made: HardBound, **offsets_ns: int) -> tuple[int, int]:
    """The bound of sources whose offsets err by at most 500 ns if they are honest."""
    for source, offset_ns in offsets_ns.items():
        said = dataclasses.replace(MEASUREMENT, source=source, offset_ns=offset_ns)
        made.update(said, STATE)
    interval = made.at(0)
    assert interval is not None
    return interval.low_ns, interval.high_ns


def test_what_two_share_holds_of_two():
    assert limits_of(bound(), a=0, b=600) == (100, 500)


def test_one_of_three_may_lie_whichever_it_is():
    assert limits_of(bound(), a=0, b=600, c=800) == (100, 1100)
    assert limits_of(bound(), a=0, b=600, liar=5000) == (100, 500)


def test_of_four_three_are_honest():
    assert limits_of(bound(), a=0, b=100, c=200, d=300) == (-300, 600)


def test_where_too_few_agree_it_is_what_most_share():
    assert limits_of(bound(), a=0, b=600, c=5000, d=9000) == (100, 500)
    assert limits_of(bound(), a=0, b=600, c=5000, d=5600) == (100, 5500)


def test_where_nobody_agrees_it_reaches_over_all():
    assert limits_of(bound(), a=0, b=5000, c=9000) == (-500, 9500)


def test_only_voters_count():
    b = bound()
    b.voters = frozenset({"a", "b"})
    assert limits_of(b, a=0, b=600, other=800) == (100, 500)
    b.voters = frozenset({"nobody"})
    assert b.at(0) is None


@pytest.mark.parametrize(
    ("falsetickers", "limits"),
    [(0, (200, 400)), (1, (100, 500)), (2, (-200, 800)), (9, (-200, 800))],
)
def test_fewer_liars_narrow_it(falsetickers: int, limits: tuple[int, int]):
    b = HardBound(max_drift=1e-6, max_frequency_error=1e-4, max_falsetickers=falsetickers)
    assert limits_of(b, a=-100, b=0, c=300, d=600, e=700) == limits


def test_a_liar_that_seems_near_does_not_cut_the_truth_out():
    """Its interval is narrow, and inside of all honest ones: it contradicts nobody."""
    b = bound()
    liar = dataclasses.replace(MEASUREMENT, source="liar", offset_ns=400, delay_ns=20)
    b.update(liar, STATE)
    assert limits_of(b, a=-10, b=0, c=10, d=20) == (-490, 500)


def test_sources_not_heard_of_for_long_are_forgotten():
    b = bound()
    b.update(MEASUREMENT, STATE)
    b.update(dataclasses.replace(MEASUREMENT, source="b", raw_ns=SECOND), STATE)
    b.drop_before(SECOND)
    assert b.snapshot()["intervals"].keys() == {"b"}


def test_the_widest_and_the_narrowest_limits_that_are_taken_up():
    end = 2**63 - 1
    for low, high, slow, fast in ((-end, end, -0.999, 0.999), (7, 7, -0.5, -0.5)):
        twin = bound()
        twin.restore(
            {"voters": ["a"], "doubted": [], "intervals": {"a": [0, low, high, slow, fast]}}
        )
        assert twin.at(0) == Interval(
            raw_ns=0, low_ns=low, high_ns=high, low_rate=slow, high_rate=fast
        )
    for low, high in ((-(2**63), 0), (0, 2**63)):
        with pytest.raises(ValueError, match="damaged"):
            bound().restore(
                {"voters": None, "doubted": [], "intervals": {"a": [0, low, high, 0.0, 0.0]}}
            )


def test_a_server_that_changed_its_mind_is_counted_and_taken_anew():
    b = bound()
    b.update(MEASUREMENT, STATE)
    b.update(dataclasses.replace(MEASUREMENT, offset_ns=10_000), STATE)
    interval = b.at(0)
    assert b.contradictions == 1
    assert interval is not None
    assert interval.low_ns == 9_500


def test_what_only_touches_its_own_past_does_not_contradict_it():
    b = bound()
    b.update(MEASUREMENT, STATE)
    b.update(dataclasses.replace(MEASUREMENT, offset_ns=1000), STATE)
    interval = b.at(0)
    assert interval is not None
    assert (interval.low_ns, interval.high_ns, b.contradictions) == (500, 500, 0)


@pytest.mark.parametrize("offset_ns", [-90_000, 90_000])
@pytest.mark.parametrize("forgets", [False, True])
def test_before_there_is_an_estimate_any_frequency_is_possible(forgets: bool, offset_ns: int):
    """So an estimate a second later, 90 us off, is not astray: it limits the frequency."""
    b = bound()
    if forgets:
        b.update(MEASUREMENT, STATE)
        b.forget()
    b.update(MEASUREMENT, dataclasses.replace(STATE, raw_ns=SECOND, offset_ns=offset_ns))
    interval = b.at(0)
    assert interval is not None
    assert (interval.low_rate, interval.high_rate) == pytest.approx((9e-6, 11e-6))


def test_forgetting_leaves_nothing():
    b = bound()
    b.update(MEASUREMENT, STATE)
    b.forget()
    assert b.at(0) is None


def test_snapshot_restores_the_same_bound():
    b, twin = bound(), bound()
    b.update(MEASUREMENT, STATE)
    twin.restore(b.snapshot())
    assert twin.at(12345) == b.at(12345)
    with pytest.raises(ValueError, match="damaged"):
        twin.restore({"voters": None, "doubted": [], "intervals": {"a": [1, 2]}})
    with pytest.raises(ValueError, match="damaged"):
        twin.restore({"a": [1, 2, 3, 4, 5]})
    assert twin.at(12345) == b.at(12345)


@pytest.mark.parametrize(
    "values",
    [
        [1, 2, 3, math.nan, 1e-5],
        [1, 2, 3, 0.0, math.inf],
        [math.inf, 2, 3, 0.0, 0.0],
        [1, 3, 2, 0.0, 0.0],
        [1, 2, 3, 1e-5, -1e-5],
        [2**80, 2, 3, 0.0, 0.0],
    ],
)
def test_limits_that_no_clock_has_are_not_taken_up(values):
    """They once were, and the daemon ended at its first plan (found by fuzzing)."""
    twin = bound()
    with pytest.raises(ValueError, match="the saved bound is damaged"):
        twin.restore({"voters": None, "doubted": [], "intervals": {"a": values}})
    assert twin.at(12345) is None


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
    interval = b.at(raw_ns + later)
    assert b.contradictions == 0
    assert interval is not None
    assert interval.low_ns <= true_frequency * (raw_ns + later) <= interval.high_ns


def test_carrying_an_interval_back_widens_it_too():
    interval = Interval(raw_ns=SECOND, low_ns=0, high_ns=0, low_rate=-1e-6, high_rate=3e-6)
    earlier = interval.at(0)
    assert (earlier.low_ns, earlier.high_ns) == (-3000, 1000)


def test_there_is_no_bound_until_most_voters_are_measured_again():
    """A liar that is asked first after everything was forgotten once made the bound alone."""
    b = bound()
    b.voters = frozenset("abc")
    limits_of(b, a=0, b=100, c=200)
    b.forget()
    b.update(dataclasses.replace(MEASUREMENT, source="c", offset_ns=400, delay_ns=2), STATE)
    assert b.at(0) is None
    assert limits_of(b, b=100) == (399, 401)
    assert limits_of(b, a=0) == (-400, 500)


def test_a_restart_remembers_who_was_found_lying():
    b, twin = bound(), bound()
    limits_of(b, a=900)
    b.doubt({"a"})
    twin.restore(b.snapshot())
    assert limits_of(twin, a=0) == (-500, 500)
