"""Steps and origins: how far ahead is looked from when."""

from __future__ import annotations

import numpy as np
import pytest

from chronotick.lab.comparing import Origins
from chronotick.lab.comparing.grids import MOST_STEPS, TooManyOriginsError, grids

S = 1_000_000_000


def test_horizons_that_are_multiples_of_the_cadence_share_a_grid():
    (grid,) = grids(16.0, [1024.0, 64.0, 256.0], 128)
    assert grid.step_ns == 16 * S
    assert grid.steps == (4, 16, 64)
    assert grid.horizons_s == (64.0, 256.0, 1024.0)
    assert grid.reach == 64
    assert grid.context == 128


def test_a_far_horizon_is_reached_in_few_steps():
    near, far = grids(1.0, [10.0, 3600.0], 128)
    assert (near.step_ns, near.steps) == (S, (10,))
    assert far.steps == (MOST_STEPS,)
    assert far.step_ns == 3600 * S // MOST_STEPS


@pytest.mark.parametrize("cadence_s", [0.9, 16.157, 61.0, 100.0, 900.0])
@pytest.mark.parametrize("horizon_s", [64.0, 1000.0, 3600.0, 86_400.0])
def test_horizons_are_reached_exactly(cadence_s: float, horizon_s: float):
    (grid,) = grids(cadence_s, [horizon_s], 64)
    assert grid.horizons_s == (horizon_s,)
    assert 1 <= grid.reach <= MOST_STEPS
    # The step is a horizon's whole part, so about the cadence and never twice as long.
    assert grid.step_ns / S <= max(1.5 * cadence_s, horizon_s / MOST_STEPS + 1e-6)


def test_a_horizon_has_the_same_grid_whatever_else_is_asked_for():
    alone = grids(16.0, [3600.0], 64)
    assert set(alone) <= set(grids(16.0, [64.0, 256.0, 3600.0], 64))


def test_origins_are_spread_over_the_trace():
    found = Origins(warm_up_s=100.0, windows=10).of(0, 1100 * S, 1.0, 0)
    assert found[0] == 100 * S
    assert set(np.diff(found)) == {100 * S}
    assert len(found) == 10


def test_origins_are_no_closer_than_measurements():
    found = Origins(warm_up_s=0.0, windows=100).of(0, 1000 * S, 60.0, 0)
    assert set(np.diff(found)) == {60 * S}
    assert len(found) == 17


def test_a_stated_distance_is_kept_and_the_count_is_a_limit():
    found = Origins(warm_up_s=0.0, every_s=7.0, windows=5).of(0, 1000 * S, 60.0, 0)
    assert found.tolist() == [0, 7 * S, 14 * S, 21 * S, 28 * S]


def test_a_tiny_distance_makes_no_more_origins_than_are_wanted():
    found = Origins(warm_up_s=0.0, every_s=1e-6, windows=5).of(0, 10**18, 1.0, 0)
    assert found.tolist() == [0, 1000, 2000, 3000, 4000]


def test_a_stated_distance_covers_the_trace_unless_a_count_is_stated():
    found = Origins(warm_up_s=0.0, every_s=7.0).of(0, 1000 * S, 60.0, 0)
    assert len(found) == 143
    assert found[-1] == 142 * 7 * S


def test_far_too_many_origins_are_refused():
    with pytest.raises(TooManyOriginsError, match="there would be 1,000,000,000,000,000 windows"):
        Origins(warm_up_s=0.0, every_s=1e-6).of(0, 10**18, 1.0, 0)


def test_no_origin_lies_before_something_is_known():
    origins = Origins(warm_up_s=10.0, windows=3)
    assert origins.of(0, 100 * S, 1.0, 40 * S)[0] == 40 * S
    exactly = Origins(exactly_s=(30.0, 50.0))
    assert exactly.of(0, 100 * S, 1.0, 40 * S).tolist() == [50 * S]


def test_origins_by_name_are_sorted_and_each_is_taken_once():
    found = Origins(exactly_s=(7.5, 3.25, 7.5)).of(0, 100 * S, 1.0, 0)
    assert found.tolist() == [3_250_000_000, 7_500_000_000]


def test_an_origin_survives_being_told_as_a_number():
    """Unix times leave a float a quarter of a microsecond: origins are whole microseconds."""
    first_ns = 1_700_000_000 * S + 123_456_789
    told = Origins(warm_up_s=3600.1234567, windows=997).of(first_ns, first_ns + 10**14, 61.7, 0)
    named = Origins(exactly_s=tuple(float(repr(each)) for each in (told / S).tolist()))
    np.testing.assert_array_equal(named.of(first_ns, first_ns + 10**14, 61.7, 0), told)
