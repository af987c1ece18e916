"""Against the equations, with the measurement's row H written out: z = x + b + a e."""

from __future__ import annotations

import numpy as np
import pytest

from chronotick.clock.dynamics import FREQUENCY, OFFSET, STATES, Dynamics, Hypothesis
from chronotick.clock.filters import NO_VARIANCE, Filters

COUNT, SOURCES = 3, 2
SIZE = STATES + 2 * SOURCES
EXCESS_S = 3e-3


@pytest.fixture
def filters() -> Filters:
    rng = np.random.default_rng(1)
    roots = rng.normal(size=(COUNT, SIZE, SIZE))
    dynamics = Dynamics.of([Hypothesis(wander=1e-9)] * COUNT)
    means = rng.normal(size=(COUNT, SIZE))
    return Filters.restored(dynamics, means, roots @ roots.transpose(0, 2, 1))


def row(number: int) -> np.ndarray:
    h = np.zeros(SIZE)
    h[OFFSET] = h[STATES + 2 * number] = 1.0
    h[STATES + 2 * number + 1] = EXCESS_S
    return h


@pytest.mark.parametrize("number", range(SOURCES))
def test_what_a_source_is_expected_to_measure(filters: Filters, number: int):
    h, expected = row(number), filters.expectation(number, EXCESS_S)
    np.testing.assert_allclose(expected.mean_s, filters.x @ h)
    np.testing.assert_allclose(expected.gain, filters.p @ h)
    np.testing.assert_allclose(expected.variance, h @ filters.p @ h)
    h[OFFSET] = 0.0
    np.testing.assert_allclose(filters.error_s(number, EXCESS_S), filters.x @ h)


def test_nothing_is_expected_better_than_to_a_picosecond(filters: Filters):
    filters.p *= 0.0
    assert filters.expectation(0, EXCESS_S).variance.tolist() == [NO_VARIANCE] * COUNT


def test_a_correction_is_kalmans(filters: Filters):
    h, residual, noise = row(1), np.array([1.0, -2.0, 0.5]), 0.7
    before_x, before_p = filters.x.copy(), filters.p.copy()
    expected = filters.expectation(1, EXCESS_S)
    total = expected.variance + noise
    filters.correct(expected.gain, residual / total, 1.0 / total)
    for k in range(COUNT):
        gain = before_p[k] @ h / (h @ before_p[k] @ h + noise)
        np.testing.assert_allclose(filters.x[k], before_x[k] + gain * residual[k])
        np.testing.assert_allclose(filters.p[k], before_p[k] - np.outer(gain, h @ before_p[k]))
    np.testing.assert_array_equal(filters.p, filters.p.transpose(0, 2, 1))


def test_less_can_be_known_of_one_bias_and_of_some_clocks(filters: Filters):
    before = filters.p.copy()
    filters.widen_bias(1, 0.25)
    chosen = np.array([True, False, True])
    filters.open(chosen, np.array([1.0, 2.0, 3.0]), 5.0)
    more = filters.p - before
    expected = np.zeros_like(more)
    expected[:, STATES + 2, STATES + 2] = 0.25
    expected[[0, 2], OFFSET, OFFSET] = [1.0, 3.0]
    expected[[0, 2], FREQUENCY, FREQUENCY] = 5.0
    np.testing.assert_allclose(more, expected, atol=1e-12)


def test_offset_and_biases_are_picked_out(filters: Filters):
    means, covariances = filters.offset_and_biases(np.array([0, 2]))
    places = [OFFSET, STATES, STATES + 2]
    np.testing.assert_array_equal(means, filters.x[[0, 2]][:, places])
    np.testing.assert_array_equal(covariances, filters.p[[0, 2]][:, places][:, :, places])


def test_a_source_is_added_without_knowledge_of_what_it_has_in_common(filters: Filters):
    x, p = filters.x, filters.p
    filters.add_source(4.0, 9.0)
    np.testing.assert_array_equal(filters.x, np.hstack([x, np.zeros((COUNT, 2))]))
    np.testing.assert_array_equal(filters.p[:, :SIZE, :SIZE], p)
    np.testing.assert_array_equal(filters.p[:, SIZE:, SIZE:], [np.diag([4.0, 9.0])] * COUNT)
    assert not filters.p[:, :SIZE, SIZE:].any()
    assert not filters.p[:, SIZE:, :SIZE].any()


@pytest.mark.parametrize("age_s", [64.0, -8.0])
def test_time_moves_clocks_and_what_sources_have_in_common_with_them(
    filters: Filters, age_s: float
):
    dynamics = filters._dynamics
    step = dynamics.step(filters.x[:, :STATES].copy(), age_s)
    whole = np.tile(np.eye(SIZE), (COUNT, 1, 1))
    whole[:, :STATES, :STATES] = step.transition()
    expected = whole @ filters.p @ whole.transpose(0, 2, 1)
    expected[:, :STATES, :STATES] += dynamics.gained(age_s)
    own = filters.x[:, STATES:].copy()
    filters.advance(age_s)
    np.testing.assert_allclose(filters.p, expected, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(filters.x[:, :STATES], step.carried())
    np.testing.assert_array_equal(filters.x[:, STATES:], own)
