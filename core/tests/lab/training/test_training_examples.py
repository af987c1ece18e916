from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from chronotick.config.schema import Config, Predictor
from chronotick.daemon.timekeeper import Timekeeper
from chronotick.lab.network import NS_PER_S
from chronotick.lab.training import examples
from chronotick.lab.training.examples import CONTEXT, REACH, Origin, Watch, of_world
from chronotick.lab.training.prior import Prior, draw
from chronotick.lab.training.worlds import Lived, live_through
from chronotick.models import as_batch

PRIOR = Prior(polls=(150, 150), poll_s=(64, 64), servers=(0, 1), outages=0)


@pytest.fixture(scope="module")
def lived() -> Lived:
    simulation, _ = draw(PRIOR, 1, 0, "mixed")
    return live_through(simulation, REACH * 256.0)


def at(lived: Lived, second: float, step_s: float = 64.0) -> Origin:
    return Origin(
        lived.live.world.start_raw_ns + round(second * NS_PER_S), round(step_s * NS_PER_S)
    )


def made(lived: Lived, *origins: Origin, prior: Prior = PRIOR) -> list[examples.Example]:
    return list(examples.examples(lived, origins, 0, prior))


def test_contexts_and_expectations_are_those_of_the_daemon(lived: Lived) -> None:
    keeper, origin = Timekeeper(Config()), at(lived, 7000.0)
    for measurement in lived.measurements:
        if measurement.raw_ns <= origin.raw_ns:
            keeper.measure(measurement)
    window = keeper.window(Predictor(step=64.0, context_length=CONTEXT), origin.raw_ns)
    assert window is not None
    (example,) = made(lived, origin)
    np.testing.assert_array_equal(example.values, window.values)
    np.testing.assert_array_equal(example.noise, window.noise)
    trend = window.trend
    sent = as_batch(window, CONTEXT)
    np.testing.assert_array_equal([example.trend], sent.trend_covariance)
    np.testing.assert_array_equal([example.expected], sent.expected)
    np.testing.assert_array_equal([example.sigma], sent.expected_sigma)
    for steps in (1, 16, 64):
        fused = keeper.fused(origin.raw_ns + steps * origin.step_ns)
        assert fused is not None
        beyond_s = (fused.offset_ns - trend.offset_ns) / NS_PER_S - trend.frequency * 64.0 * steps
        assert example.expected[steps - 1] == pytest.approx(beyond_s, abs=3e-9)


def test_the_target_is_the_truth_beyond_the_tangent(lived: Lived) -> None:
    origin = at(lived, 6000.0)
    watch = Watch()
    for measurement in lived.measurements:
        if measurement.raw_ns <= origin.raw_ns:
            watch.take(measurement)
    trend = watch.bank.state(origin.raw_ns)
    assert trend is not None
    (example,) = made(lived, origin)
    for steps in (1, 30, 64):
        raw_ns = origin.raw_ns + steps * origin.step_ns
        truth_ns = lived.live.truth(raw_ns) - raw_ns
        tangent_ns = trend.offset_ns + trend.frequency * 64.0 * steps * NS_PER_S
        assert example.target[steps - 1] == pytest.approx(
            (truth_ns - tangent_ns) / NS_PER_S, abs=3e-7
        )


@pytest.mark.parametrize("filtered", [True, False])
def test_what_is_measured_later_changes_nothing_but_the_target(
    lived: Lived, *, filtered: bool
) -> None:
    origin, prior = at(lived, 5000.0), PRIOR.model_copy(update={"filter": filtered})
    spoilt = [
        replace(each, offset_ns=each.offset_ns + NS_PER_S) if each.raw_ns > origin.raw_ns else each
        for each in lived.measurements
    ]
    (before,) = made(lived, origin, prior=prior)
    (after,) = made(replace(lived, measurements=spoilt), origin, prior=prior)
    for name in ("values", "noise", "target", "expected", "sigma", "trend"):
        np.testing.assert_array_equal(getattr(before, name), getattr(after, name))


def test_earlier_origins_do_not_change_later_examples(lived: Lived) -> None:
    first, second = at(lived, 4000.0), at(lived, 5000.0, 256.0)
    (alone,), both = made(lived, second), made(lived, first, second)
    np.testing.assert_array_equal(alone.values, both[1].values)
    np.testing.assert_array_equal(alone.expected, both[1].expected)


def test_without_the_filter_a_context_has_no_trend_and_all_is_about_the_same_line(
    lived: Lived,
) -> None:
    origin = at(lived, 8000.0)
    (filtered,) = made(lived, origin)
    (raw,) = made(lived, origin, prior=PRIOR.model_copy(update={"filter": False}))
    known = np.flatnonzero(~np.isnan(raw.values))
    assert abs(np.polyfit(known, raw.values[known], 1)[0]) < 1e-12
    moved = filtered.target - raw.target
    np.testing.assert_allclose(np.diff(moved, 2), 0.0, atol=1e-12)
    np.testing.assert_allclose(moved, filtered.expected - raw.expected, atol=1e-12)


def test_examples_of_a_world_are_the_same_each_time_and_finite() -> None:
    prior = Prior(polls=(80, 80))
    once, again = (of_world(prior, 2, 7, 12) for _ in range(2))
    assert len(once) == 12
    for one, other in zip(once, again, strict=True):
        np.testing.assert_array_equal(one.values, other.values)
        np.testing.assert_array_equal(one.target, other.target)
        assert one.values.shape == (CONTEXT,)
        assert one.target.shape == one.expected.shape == one.sigma.shape == (REACH,)
        assert np.isfinite(one.target).all()
        assert np.isfinite(one.expected).all()
        assert (one.sigma > 0).all()
        assert np.linalg.eigvalsh([[one.trend[0], one.trend[1]], one.trend[1:3]]).min() > 0
        assert one.trend[3] > 0
        assert np.array_equal(np.isnan(one.values), np.isnan(one.noise))
        assert np.isfinite(one.values).any()


def test_a_world_without_answers_gives_no_examples() -> None:
    prior = Prior(polls=(30, 30), outages=0.99, outage_polls=(1, 1))
    simulation, _ = draw(prior, 1, 1)
    nothing = replace(live_through(simulation, 1.0), measurements=[])
    assert examples.origins(nothing, 5, np.random.default_rng(1)) == []
