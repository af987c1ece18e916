from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.clock.drift import SERIES_BELOW, Drift
from chronotick.clock.dynamics import (
    COSINE,
    DRIFT,
    FREQUENCY,
    LOG_OMEGA,
    OFFSET,
    SINE,
    STATES,
    WHITE_PSD,
    Dynamics,
    Hypothesis,
)
from chronotick.clock.options import BankOptions
from chronotick.clock.resonance import MAX_LOG_OMEGA

HYPOTHESES = [
    Hypothesis(wander=2e-9),
    Hypothesis(wander=1e-9, drift_constant_s=200.0, drift_sigma=3e-9),
    Hypothesis(wander=1e-9, drift_constant_s=20_000.0, drift_sigma=3e-11),
    Hypothesis(wander=1e-9, period_s=700.0, amplitude=1e-7, persistence_s=5600.0),
    Hypothesis(
        wander=1e-9,
        drift_constant_s=600.0,
        drift_sigma=1e-9,
        period_s=1900.0,
        amplitude=5e-7,
        persistence_s=3000.0,
    ),
]
STATE = np.array([1e-3, 2e-6, 3e-9, 4e-7, -3e-7, 0.1])
AGES = [0.05, 1.0, 64.0, 900.0, 5000.0]
BOTH_WAYS = [*AGES, -0.05, -64.0, -5000.0]


def dynamics() -> Dynamics:
    return Dynamics.of(HYPOTHESES)


def states() -> np.ndarray:
    return np.tile(STATE, (len(HYPOTHESES), 1))


def rates(hypothesis: Hypothesis, state: np.ndarray) -> np.ndarray:
    """The right-hand side of the equations of the module, without noise."""
    _, y, d, c, s, u = state
    forgets = 1 / hypothesis.drift_constant_s if hypothesis.drift_constant_s else 0.0
    damps = 1 / hypothesis.persistence_s if hypothesis.period_s else 0.0
    omega = 2 * np.pi / hypothesis.period_s * np.exp(u) if hypothesis.period_s else 0.0
    turning_c, turning_s = -damps * c + omega * s, -damps * s - omega * c
    return np.array([y + c, d, -forgets * d, turning_c, turning_s, 0.0])


def integrated(hypothesis: Hypothesis, state: np.ndarray, age_s: float) -> np.ndarray:
    """Runge and Kutta's way."""
    steps = 100 + round(age_s / 2.5)
    h = age_s / steps
    for _ in range(steps):
        k1 = rates(hypothesis, state)
        k2 = rates(hypothesis, state + h / 2 * k1)
        k3 = rates(hypothesis, state + h / 2 * k2)
        k4 = rates(hypothesis, state + h * k3)
        state = state + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return state


def present(hypothesis: Hypothesis) -> np.ndarray:
    """A state with the parts that the hypothesis has."""
    has = [True, True, hypothesis.drift_constant_s, *[hypothesis.period_s] * 3]
    return np.where(np.array(has, dtype=bool), STATE, 0.0)


@pytest.mark.parametrize("age_s", AGES)
def test_a_step_solves_the_equations(age_s):
    start = np.array([present(h) for h in HYPOTHESES])
    found = dynamics().step(start, age_s).carried()
    for hypothesis, before, after in zip(HYPOTHESES, start, found, strict=True):
        expected = integrated(hypothesis, before, age_s)
        np.testing.assert_allclose(after, expected, rtol=1e-6, atol=1e-13)


def test_a_step_back_is_one_forth_in_reversed_time():
    reversed_time = np.array([1, -1, 1, -1, 1, 1])
    back = dynamics().step(states(), -64.0).carried()
    forth = dynamics().step(states() * reversed_time, 64.0).carried() * reversed_time
    np.testing.assert_array_equal(back, forth)


def test_what_is_not_forgotten_is_the_same_after_a_step_back_and_one_forth():
    lasting = Dynamics.of(
        [Hypothesis(wander=1e-9), Hypothesis(wander=1e-9, period_s=900.0, amplitude=1e-7)]
    )
    state = np.array([[1e-3, 2e-6, 0, 0, 0, 0], [1e-3, 2e-6, 0, 4e-7, -3e-7, 0.1]])
    there = lasting.step(state, -300.0).carried()
    np.testing.assert_allclose(lasting.step(there, 300.0).carried(), state, rtol=1e-9)


def test_a_day_back_nothing_explodes():
    """A forgotten drift once grew by exp(age / T) on the way back: to 1e187 times within a day."""
    back = dynamics().step(states(), -86_400.0)
    assert np.abs(back.carried()).max() < 10.0
    assert np.isfinite(dynamics().gained(-86_400.0)).all()


@pytest.mark.parametrize("age_s", BOTH_WAYS)
def test_transition_is_the_derivative_of_a_step(age_s):
    found = dynamics().step(states(), age_s).transition()
    for column in range(STATES):
        nudge = np.zeros(STATES)
        nudge[column] = 1e-5 if column == LOG_OMEGA else 1e-9
        up = dynamics().step(states() + nudge, age_s).carried()
        down = dynamics().step(states() - nudge, age_s).carried()
        expected = (up - down) / (2 * nudge[column])
        scale = np.abs(expected).max()
        np.testing.assert_allclose(found[:, :, column], expected, rtol=1e-4, atol=1e-6 * scale)


@pytest.mark.parametrize("age_s", BOTH_WAYS)
def test_parts_of_a_step_are_those_of_the_whole(age_s):
    step = dynamics().step(states(), age_s)
    np.testing.assert_array_equal(step.offset_row(), step.transition()[:, OFFSET])
    np.testing.assert_array_equal(step.offsets(), step.carried()[:, OFFSET])


def test_beyond_its_limit_a_period_stays_but_may_come_back():
    state = states()
    state[:, LOG_OMEGA] = 2 * MAX_LOG_OMEGA
    at_limit = states()
    at_limit[:, LOG_OMEGA] = MAX_LOG_OMEGA
    step, limit = dynamics().step(state, 64.0), dynamics().step(at_limit, 64.0)
    np.testing.assert_array_equal(step.offsets(), limit.offsets())
    assert (step.offset_row()[:, LOG_OMEGA] != 0).all()


def noise(hypothesis: Hypothesis) -> np.ndarray:
    """Power spectral densities of the noises."""
    psd = np.zeros(STATES)
    psd[OFFSET], psd[FREQUENCY] = WHITE_PSD, hypothesis.wander**2
    if hypothesis.drift_constant_s:
        psd[DRIFT] = 2 * hypothesis.drift_sigma**2 / hypothesis.drift_constant_s
    if hypothesis.period_s:
        psd[COSINE] = psd[SINE] = 2 * hypothesis.amplitude**2 / hypothesis.persistence_s
    return psd


def lyapunov(age_s: float) -> np.ndarray:
    """Integral of F(t) D F(t)' over a step, by Gauss and Legendre in 40 parts."""
    nodes, weights = np.polynomial.legendre.leggauss(8)
    psd = np.array([noise(h) for h in HYPOTHESES])
    total = np.zeros((len(HYPOTHESES), STATES, STATES))
    width = age_s / 40
    for part in range(40):
        for node, weight in zip(nodes, weights, strict=True):
            t = width * (part + (node + 1) / 2)
            f = dynamics().step(np.zeros_like(states()), t).transition()
            total += weight * width / 2 * (f * psd[:, np.newaxis]) @ f.transpose(0, 2, 1)
    return total


def assert_same_covariance(found: np.ndarray, expected: np.ndarray, tolerance: float) -> None:
    """Equal to within a part of the standard deviations."""
    sigma = np.sqrt(np.diagonal(expected, axis1=1, axis2=2))
    scale = sigma[:, :, np.newaxis] * sigma[:, np.newaxis]
    assert (np.abs(found - expected) <= tolerance * scale).all()


@pytest.mark.parametrize("age_s", AGES)
def test_noise_gained_is_the_integral_of_what_each_impulse_does(age_s):
    assert_same_covariance(dynamics().gained(age_s), lyapunov(age_s), 1e-6)


@pytest.mark.parametrize(("first_s", "second_s"), [(1.0, 2.0), (64.0, 16.0), (3000.0, 700.0)])
def test_two_steps_gain_as_much_as_one(first_s, second_s):
    f = dynamics().step(np.zeros_like(states()), second_s).transition()
    two = f @ dynamics().gained(first_s) @ f.transpose(0, 2, 1) + dynamics().gained(second_s)
    assert_same_covariance(two, dynamics().gained(first_s + second_s), 1e-9)


def test_drifts_and_quadratures_are_stationary():
    prior = dynamics().prior(0.0, 0.0)
    f = dynamics().step(np.zeros_like(states()), 777.0).transition()
    later = f @ prior @ f.transpose(0, 2, 1) + dynamics().gained(777.0)
    for place in (DRIFT, COSINE, SINE):
        np.testing.assert_allclose(later[:, place, place], prior[:, place, place], rtol=1e-9)


@given(
    st.floats(-3, 6).map(lambda exponent: 10**exponent),
    st.sampled_from([-1.0, 1.0]),
)
def test_noise_gained_is_a_covariance_after_any_time(span_s, direction):
    """Of a resonance it once was not, after two thirds of the time that its phase is kept for."""
    every = Dynamics.of([*HYPOTHESES, *BankOptions().hypotheses()])
    gained = every.gained(direction * span_s)
    sigma = np.sqrt(np.diagonal(gained, axis1=1, axis2=2))
    assert (sigma[:, OFFSET] > 0).all()
    sigma = np.where(sigma > 0, sigma, 1.0)
    scaled = gained / (sigma[:, :, np.newaxis] * sigma[:, np.newaxis])
    assert np.linalg.eigvalsh(scaled).min() > -1e-6


def test_a_resonance_does_not_carry_the_clock_away():
    """What it gains was once taken as fresh within a step: its variance grew as the age cubed."""
    sigma_s = 1e-7 * 700 / (2 * np.pi)  # of a sine of that amplitude
    fixed = Dynamics.of([Hypothesis(wander=0.0, period_s=700.0, amplitude=1e-7, persistence_s=7e5)])
    hour = fixed.gained(3600.0)[0, OFFSET, OFFSET] - 3600 * WHITE_PSD
    assert 0 < hour < sigma_s**2 / 10


@pytest.mark.parametrize("constant_s", [200.0, 20_000.0])
def test_series_and_closed_form_meet(constant_s):
    drift = Drift(np.array([1 / constant_s]), np.array([1.0]))
    at_s = SERIES_BELOW * constant_s
    below, above = drift.gained(at_s * (1 - 1e-12)), drift.gained(at_s * (1 + 1e-12))
    np.testing.assert_allclose(below, above, rtol=1e-7)


def test_a_subset_runs_like_the_whole():
    chosen = np.array([4, 1])
    part = dynamics().subset(chosen)
    assert len(part) == 2
    np.testing.assert_array_equal(part.gained(64.0), dynamics().gained(64.0)[chosen])
    np.testing.assert_array_equal(
        part.step(states()[chosen], 64.0).transition(),
        dynamics().step(states(), 64.0).transition()[chosen],
    )


def test_before_anything_is_known_a_period_is_uncertain_only_where_there_is_one():
    prior = dynamics().prior(1e-3, 5e-4)
    np.testing.assert_allclose(prior[:, OFFSET, OFFSET], 1e-6)
    np.testing.assert_allclose(prior[:, FREQUENCY, FREQUENCY], 25e-8)
    assert (prior[:, LOG_OMEGA, LOG_OMEGA] > 0).tolist() == [bool(h.period_s) for h in HYPOTHESES]
    assert (prior[:, DRIFT, DRIFT] > 0).tolist() == [bool(h.drift_constant_s) for h in HYPOTHESES]
    periodic = [h.amplitude**2 if h.period_s else 0.0 for h in HYPOTHESES]
    np.testing.assert_allclose(prior[:, COSINE, COSINE], periodic)
    np.testing.assert_allclose(prior[:, SINE, SINE], periodic)
    assert prior[:, LOG_OMEGA, LOG_OMEGA].max() == pytest.approx(0.15**2)
    assert np.count_nonzero(prior - np.einsum("kii->ki", prior)[:, :, None] * np.eye(6)) == 0
