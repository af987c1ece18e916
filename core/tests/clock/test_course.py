from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.clock.course import Course
from chronotick.clock.dynamics import COSINE, OFFSET, STATES, WHITE_PSD, Dynamics, Hypothesis
from chronotick.clock.route import RouteEffect
from chronotick.clock.state import ClockState

SECOND = 1_000_000_000
AT_NS = 5000 * SECOND
WANDERING = [Hypothesis(wander=1e-9), Hypothesis(wander=2e-8)]
CURVED = [
    Hypothesis(wander=1e-9, drift_constant_s=600.0, drift_sigma=1e-9),
    Hypothesis(wander=1e-9, period_s=700.0, amplitude=1e-7, persistence_s=5600.0),
]
STATES_NOW = np.array([[1e-4, 1e-6, 2e-10, 0, 0, 0], [1.2e-4, 1.1e-6, 0, 5e-8, -8e-8, 0.05]])
SIGMAS = np.array([1e-6, 1e-9, 1e-10, 1e-8, 1e-8, 0.005])
WEIGHTS = np.array([0.3, 0.7])


def course(hypotheses, states=STATES_NOW, *, correlation=0.0, routes=None) -> Course:
    covariance = np.diag(SIGMAS**2)
    covariance[0, 1] = covariance[1, 0] = correlation * SIGMAS[0] * SIGMAS[1]
    has = np.array([[1, 1, bool(h.drift_constant_s), *[bool(h.period_s)] * 3] for h in hypotheses])
    every = covariance * has[:, :, np.newaxis] * has[:, np.newaxis]
    return Course(AT_NS, Dynamics.of(hypotheses), WEIGHTS, states, every, routes=routes)


def state(of: Course, raw_ns: int = AT_NS) -> ClockState:
    now = of.moments(raw_ns)
    return ClockState(
        raw_ns=raw_ns,
        offset_ns=round(now.offset_s * 1e9),
        frequency=now.frequency,
        var_offset=now.var_offset,
        cov=now.cov,
        var_frequency=now.var_frequency,
        white_psd=WHITE_PSD,
        wander_psd=of.wander_psd,
        course=of,
    )


def test_of_wander_alone_it_is_the_two_state_model_of_the_mixture():
    wandering = np.where(np.arange(STATES) < 2, STATES_NOW, 0.0)
    mixed = course(WANDERING, wandering, correlation=0.4)
    alone = ClockState(
        raw_ns=AT_NS,
        offset_ns=state(mixed).offset_ns,
        frequency=state(mixed).frequency,
        var_offset=state(mixed).var_offset,
        cov=state(mixed).cov,
        var_frequency=state(mixed).var_frequency,
        white_psd=WHITE_PSD,
        wander_psd=mixed.wander_psd,
    )
    assert mixed.wander_psd == pytest.approx(0.3 * 1e-18 + 0.7 * 4e-16)
    for age in (-500, 0, 16, 4000):
        raw_ns = AT_NS + age * SECOND
        assert abs(state(mixed).offset_at(raw_ns) - alone.offset_at(raw_ns)) <= 1
        if age >= 0:  # with that covariance it is larger than its own before; never less is said
            assert state(mixed).variance_at(raw_ns) == pytest.approx(alone.variance_at(raw_ns))


def test_filters_that_disagree_make_it_less_certain():
    apart, together = course(WANDERING), course(WANDERING, np.tile(STATES_NOW[:1], (2, 1)))
    spread = 0.3 * 0.7 * (STATES_NOW[0, 0] - STATES_NOW[1, 0]) ** 2
    assert apart.variance(AT_NS) == pytest.approx(together.variance(AT_NS) + spread)


def test_what_is_expected_is_curved_and_its_tangent_straight():
    curved = state(course(CURVED))
    later = [AT_NS + age * SECOND for age in (0, 200, 400)]
    bend = np.diff([curved.offset_at(raw_ns) - curved.tangent_at(raw_ns) for raw_ns in later], n=2)
    assert abs(bend[0]) > 1000
    assert abs(curved.offset_at(AT_NS + SECOND) - curved.tangent_at(AT_NS + SECOND)) <= 2


@pytest.mark.parametrize("age", [0, 100, 2000])
def test_frequency_is_the_slope_of_the_offset(age):
    curved, raw_ns = course(CURVED), AT_NS + age * SECOND
    slope = (curved.offset_s(raw_ns + SECOND) - curved.offset_s(raw_ns - SECOND)) / 2
    assert curved.moments(raw_ns).frequency == pytest.approx(slope, rel=1e-5)


@pytest.mark.parametrize("age", [0, 100, 2000])
def test_moments_are_those_of_what_may_happen(age):
    """Drawn: which filter, its state, and the noise until then."""
    rng = np.random.default_rng(1)
    curved, dynamics = course(CURVED, correlation=0.4), Dynamics.of(CURVED)
    covariances = np.array(curved._covariances)
    then, gained = [], dynamics.gained(age)
    for which in (0, 1):
        count = round(40_000 * WEIGHTS[which])
        draws = rng.multivariate_normal(STATES_NOW[which], covariances[which], count, tol=1e-3)
        part = dynamics.subset(np.full(count, which))
        noise = rng.multivariate_normal(np.zeros(STATES), gained[which], count, tol=1e-3)
        then.append(part.step(draws, float(age)).carried() + noise)
    drawn = np.concatenate(then)
    offsets, frequencies = drawn[:, OFFSET], drawn[:, 1] + drawn[:, COSINE]
    found = curved.moments(AT_NS + age * SECOND)
    assert found.offset_s == pytest.approx(offsets.mean(), abs=4 * offsets.std() / 200)
    assert found.frequency == pytest.approx(frequencies.mean(), abs=4 * frequencies.std() / 200)
    assert found.var_offset == pytest.approx(offsets.var(), rel=0.05)
    assert found.var_frequency == pytest.approx(frequencies.var(), rel=0.05)
    both = np.sqrt(offsets.var() * frequencies.var())
    cov = np.cov(offsets, frequencies)[0, 1]
    assert found.cov == pytest.approx(cov, abs=0.05 * both)


@given(st.floats(-1e6, 1e6), st.sampled_from([WANDERING, CURVED]), st.floats(-0.95, 0.95))
def test_at_no_age_is_more_known_than_at_its_own_instant(age_s, hypotheses, correlation):
    any_course = course(hypotheses, correlation=correlation)
    raw_ns = AT_NS + round(age_s * SECOND)
    assert any_course.variance(raw_ns) >= any_course.variance(AT_NS) > 0
    assert any_course.moments(raw_ns).var_offset == pytest.approx(any_course.variance(raw_ns))
    assert np.isfinite(any_course.offset_s(raw_ns))


@given(st.lists(st.floats(0, 1e5), min_size=2, max_size=2), st.floats(0, 0.95))
def test_of_a_wandering_clock_less_is_known_the_later(ages_s, correlation):
    wandering = course(WANDERING, correlation=correlation)
    sooner, later = (AT_NS + round(age_s * SECOND) for age_s in sorted(ages_s))
    assert wandering.variance(later) >= wandering.variance(sooner) * (1 - 1e-9)


def test_judging_the_routes_moves_offsets_and_replaces_the_variance():
    judged = course(CURVED, routes=RouteEffect(3e-6, np.zeros(2), 5e-10, 1e-10))
    plain = course(CURVED)
    raw_ns = AT_NS + 64 * SECOND
    assert judged.offset_s(raw_ns) - plain.offset_s(raw_ns) == pytest.approx(3e-6)
    assert judged.moments(raw_ns).offset_s == pytest.approx(judged.offset_s(raw_ns))
    assert judged.variance(AT_NS) == pytest.approx(5e-10)
    (offset_s,), (variance,) = judged.path(np.array([raw_ns]))
    assert offset_s == pytest.approx(judged.offset_s(raw_ns))
    assert variance == pytest.approx(judged.variance(raw_ns))
    grown = judged.variance(raw_ns) - judged.variance(AT_NS)
    assert grown == pytest.approx(plain.variance(raw_ns) - plain.variance(AT_NS))


def test_a_state_says_of_its_own_instant_what_its_course_does():
    """It once said less where the variance shrinks at first."""
    curved = course(CURVED, correlation=-0.95)
    later = state(curved, AT_NS + 100 * SECOND)
    assert later.variance_at(later.raw_ns) == pytest.approx(later.var_offset)
    assert abs(later.offset_at(later.raw_ns) - later.offset_ns) <= 1
    assert later.sigma_at(later.raw_ns) == pytest.approx(later.var_offset**0.5)


@pytest.mark.parametrize("hypotheses", [WANDERING, CURVED], ids=["wandering", "curved"])
@pytest.mark.parametrize("age", [0, 100])
def test_a_path_is_what_the_state_says_of_each_instant(hypotheses, age):
    later = state(course(hypotheses, correlation=0.4), AT_NS + age * SECOND)
    ahead_ns = later.raw_ns + np.arange(0, 20_000, 300) * SECOND
    beyond_s, variances = later.path(ahead_ns)
    said_ns = [later.offset_at(each) - later.tangent_at(each) for each in ahead_ns.tolist()]
    np.testing.assert_allclose(beyond_s * 1e9, said_ns, atol=1.5)
    np.testing.assert_allclose(variances, [later.variance_at(each) for each in ahead_ns.tolist()])


def test_an_offset_of_seconds_is_told_to_the_nanosecond():
    far = state(course(CURVED, routes=RouteEffect(5.0, np.zeros(2), 5e-10, 1e-10)))
    assert far.course is not None
    based = replace(far, base_ns=17 * 10**17)
    later_ns = AT_NS + 64 * SECOND
    assert based.offset_at(later_ns) - 17 * 10**17 == round(far.course.offset_s(later_ns) * 1e9)
    assert far.tangent_at(later_ns) == far.offset_ns + round(far.frequency * 64 * SECOND)


def test_a_path_without_a_course_is_the_tangent():
    straight = replace(state(course(CURVED)), course=None)
    beyond_s, variances = straight.path(AT_NS + np.array([0, 64]) * SECOND)
    assert beyond_s.tolist() == [0.0, 0.0]
    assert variances[1] == straight.variance_at(AT_NS + 64 * SECOND)
