from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.ntp.drift import Drift
from chronotick.ntp.measurement import Measurement
from chronotick.ntp.plausible import PLAUSIBLE, USUAL, WANDER, Meeting, Path, Witness

MS = 1_000_000
SECOND = 1_000_000_000
MANY = 10**9  # delays seen: the shortest is known
KNOWN = Drift(rate=0.0, uncertainty=0.0)
AT_ONCE = Meeting(KNOWN, 0, 0)
MakeSample = Callable[..., Measurement]


def test_a_single_sample_is_plausible_as_far_as_it_is_possible(sample: MakeSample) -> None:
    only = sample(delay_ns=40 * MS, precision_ns=1000, root_delay_ns=MS, root_dispersion_ns=7)
    assert Path(40 * MS, 1).error_ns(only, PLAUSIBLE) == only.root_distance_ns


@pytest.mark.parametrize("asymmetry", [PLAUSIBLE, USUAL])
def test_queueing_counts_half_and_the_route_a_fraction(
    sample: MakeSample, asymmetry: float
) -> None:
    queued = sample(delay_ns=26 * MS, precision_ns=0)
    assert Path(20 * MS, MANY).error_ns(queued, asymmetry) == 3 * MS + round(asymmetry * 20 * MS)


def test_what_the_server_admits_is_allowed_for_in_full(sample: MakeSample) -> None:
    vague = sample(delay_ns=20 * MS, precision_ns=5, root_delay_ns=8 * MS, root_dispersion_ns=MS)
    assert Path(20 * MS, MANY).error_ns(vague, PLAUSIBLE) == 5 * MS + 5 + 4 * MS + MS


def test_samples_of_one_moment_do_not_drift_apart_however_old(sample: MakeSample) -> None:
    """An oscillator that ran away has run away for all sources."""
    meeting = Meeting(Drift(), raw_ns=1000 * SECOND, middle_ns=0)
    assert meeting.interval(sample(at_s=0, offset_ns=3), 10) == (-7, 13)


def test_samples_apart_in_time_are_less_certain(sample: MakeSample) -> None:
    late = sample(at_s=100)
    assert Meeting(Drift(0.0, 1e-4), 0, 0).interval(late, 0) == (-10 * MS, 10 * MS)
    wander_ns = round(WANDER * 100 * SECOND)
    assert Meeting(KNOWN, 0, 0).interval(late, 0) == (-wander_ns, wander_ns)


def test_samples_are_carried_by_the_common_rate(sample: MakeSample) -> None:
    meeting = Meeting(Drift(1e-6, 0.0), 10 * SECOND, 0)
    assert meeting.interval(sample(at_s=0), 1) == (10_000 - 1, 10_000 + 1)


def test_best_and_newest_must_both_be_right(sample: MakeSample) -> None:
    best = sample(delay_ns=10 * MS, precision_ns=0)
    newest = sample(delay_ns=14 * MS, offset_ns=2 * MS, precision_ns=0)
    witness = Witness(best, newest, Path(10 * MS, MANY))
    assert witness.interval(0.1, AT_ONCE) == (-MS, MS)
    assert witness.interval(0.0, AT_ONCE) == (0, 0)


def test_a_server_that_has_changed_is_known_by_its_newest_sample(sample: MakeSample) -> None:
    """The lucky sample from before it began to lie must not speak for it."""
    before = sample(delay_ns=10 * MS, precision_ns=0)
    after = sample(delay_ns=12 * MS, offset_ns=30 * MS, precision_ns=0)
    witness = Witness(before, after, Path(10 * MS, MANY))
    assert witness.interval(0.1, AT_ONCE) == (28 * MS, 32 * MS)


@given(
    st.integers(0, 100 * MS),
    st.floats(-PLAUSIBLE, PLAUSIBLE),
    st.lists(st.tuples(st.integers(0, 50 * MS), st.integers(0, 50 * MS)), min_size=2, max_size=2),
)
def test_true_time_is_plausible_over_any_plausible_route(
    idle_ns: int, asymmetry: float, queues: list[tuple[int, int]]
) -> None:
    def measured(out_ns: int, back_ns: int) -> Measurement:
        error_ns = round(asymmetry * idle_ns) + (out_ns - back_ns) // 2
        return Measurement(
            source="a",
            raw_ns=0,
            offset_ns=error_ns,
            delay_ns=idle_ns + out_ns + back_ns,
            precision_ns=2,  # rounding
            root_delay_ns=0,
            root_dispersion_ns=0,
            stratum=1,
        )

    best, newest = (measured(*queue) for queue in queues)
    low_ns, high_ns = Witness(best, newest, Path(idle_ns, MANY)).interval(PLAUSIBLE, AT_ONCE)
    assert low_ns <= 0 <= high_ns
