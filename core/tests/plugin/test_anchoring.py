"""Contexts about the tangent: nothing of what the estimator knows is lost; 0 repeats it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.plugin import ContextBatch
from chronotick.plugin.anchoring import (
    KEY,
    NAME,
    REACH,
    TOLD,
    anchored,
    wants_anchored,
)
from chronotick.plugin.weights import Weights

LENGTH = TOLD + 32
USUAL = (1e-14, 1e-17, 1e-18, 1e-23)  # 0.1 us, 1e-9, and little wander


def curve(series: int) -> np.ndarray:
    return np.tile(1e-9 * np.arange(1, REACH + 1) ** 2, (series, 1))


def sigma(series: int) -> np.ndarray:
    return np.tile(1e-7 * np.sqrt(1 + np.arange(1, REACH + 1) / 8), (series, 1))


def batch(values: np.ndarray, covariance: tuple[float, ...] = USUAL) -> ContextBatch:
    return ContextBatch(
        values=values,
        noise=np.where(np.isnan(values), np.nan, 1e-7),
        step_s=16.0,
        trend_covariance=np.tile(covariance, (len(values), 1)),
        expected=curve(len(values)),
        expected_sigma=sigma(len(values)),
    )


def residuals(series: int = 2, length: int = 32) -> np.ndarray:
    return 1e-6 * np.random.default_rng(1).standard_normal((series, length))


def test_the_tangent_stays_zero_and_residuals_have_root_mean_square_one():
    values = residuals() + 3e-6
    context = anchored(batch(values), LENGTH).values
    assert context.shape == (2, LENGTH)
    np.testing.assert_allclose((context[:, TOLD:] ** 2).mean(axis=1), 1)
    np.testing.assert_allclose(
        context[:, TOLD:] / context[:, TOLD : TOLD + 1], values / values[:, :1]
    )


@pytest.mark.parametrize("shape", [(2, 5), (2, 5, 3)])
def test_a_forecast_is_in_units_of_sigma_and_zero_is_what_the_estimator_expects(
    shape: tuple[int, ...],
):
    context = anchored(batch(residuals()), LENGTH)
    z = np.random.default_rng(2).standard_normal(shape).astype(np.float32)
    alike = (2, 5, *(1 for _ in shape[2:]))
    expected, sigma_s = curve(2)[:, :5].reshape(alike), sigma(2)[:, :5].reshape(alike)
    assert context.restore(z).dtype == np.float64
    np.testing.assert_allclose((context.restore(z) - expected) / sigma_s, z, atol=1e-9)
    nothing = context.restore(np.zeros(shape, np.float32))
    np.testing.assert_array_equal(nothing, np.broadcast_to(expected, shape))


def test_what_came_is_reduced_as_forecasts_are_restored():
    context, z = anchored(batch(residuals()), LENGTH), np.ones((2, 7))
    np.testing.assert_allclose(context.reduce(context.restore(z)), z)


def test_what_the_estimator_expects_is_told_in_sigmas():
    context = anchored(batch(residuals()), LENGTH)
    told = context.values[0, 16:TOLD]
    path = curve(1)[0] / sigma(1)[0]
    assert told[[0, 1, -1]] == pytest.approx(path[[0, 1, 63]])


@pytest.mark.parametrize("steps", [0, REACH - 1])
def test_without_what_the_estimator_expects_it_is_refused(steps: int):
    short = replace(
        batch(residuals()), expected=np.zeros((2, steps)), expected_sigma=np.ones((2, steps))
    )
    with pytest.raises(ValueError, match=r"what the estimator expects of 2 series over 64 steps"):
        anchored(short, LENGTH)


def test_a_forecast_beyond_what_the_estimator_expects_is_refused():
    with pytest.raises(ValueError, match="65 steps were forecast, expectations reach 64"):
        anchored(batch(residuals()), LENGTH).restore(np.zeros((2, 65)))


@given(st.floats(-3, 6), st.floats(1, 4096))
def test_only_scales_matter_and_no_unit(decades: float, step_s: float):
    """In other units of time and of frequency a network reads the same, but for the step."""
    once, factor = batch(residuals()), 10.0**decades
    per_s = np.array([1, 1 / step_s, step_s**-2, step_s**-3])
    again = ContextBatch(
        values=factor * once.values,
        noise=factor * once.noise,
        step_s=16.0 * step_s,
        trend_covariance=factor**2 * per_s * once.trend_covariance,
        expected=factor * once.expected,
        expected_sigma=factor * once.expected_sigma,
    )
    same = np.arange(LENGTH) != 8  # the step itself
    one, other = anchored(once, LENGTH), anchored(again, LENGTH)
    np.testing.assert_allclose(other.values[:, same], one.values[:, same], atol=1e-9)
    np.testing.assert_allclose(
        other.restore(np.ones((2, 9))), factor * one.restore(np.ones((2, 9)))
    )


def test_gaps_stay_gaps_and_are_told_of():
    values = residuals()
    values[0, ::2] = np.nan
    values[1, -5:] = np.nan
    context = anchored(batch(values), LENGTH).values
    np.testing.assert_array_equal(np.isnan(context[:, TOLD:]), np.isnan(values))
    np.testing.assert_allclose(np.nanmean(context[:, TOLD:] ** 2, axis=1), 1)
    np.testing.assert_allclose(context[:, 9], [0.5, 27 / 32])
    np.testing.assert_allclose(context[:, 10], [0, 5 / 64])


def test_short_contexts_end_where_long_ones_do_and_long_ones_lose_their_old_end():
    long, short = residuals(length=80), residuals(length=3)
    np.testing.assert_array_equal(
        anchored(batch(long), LENGTH).values, anchored(batch(long[:, -32:]), LENGTH).values
    )
    context = anchored(batch(short), LENGTH).values
    assert np.isfinite(context[:, :TOLD]).all()
    assert np.isnan(context[:, TOLD:-3]).all()
    assert np.isfinite(context[:, -3:]).all()


@pytest.mark.parametrize("constant", [0.0, 1e-15, 1e-3])
@pytest.mark.parametrize("covariance", [(0.0, 0.0, 0.0, 0.0), USUAL, (1.0, 0.0, 1e-6, 1e-9)])
def test_constant_residuals_and_a_tangent_known_for_certain_give_finite_numbers(
    constant: float, covariance: tuple[float, ...]
):
    certain = replace(
        batch(np.full((1, 32), constant), covariance), expected_sigma=np.zeros((1, REACH))
    )
    context = anchored(certain, LENGTH)
    assert np.isfinite(context.values).all()
    assert (context.sigma > 0).all()
    assert abs(context.values).max() <= 20


@given(
    st.lists(st.floats(-1, 1), min_size=1, max_size=40),
    st.tuples(st.floats(0, 1), st.floats(-1, 1), st.floats(0, 1e-6), st.floats(0, 1e-9)),
)
def test_whatever_is_measured_numbers_are_finite(told: list[float], covariance: tuple[float, ...]):
    context = anchored(batch(np.array([told]), covariance), LENGTH)
    measured = context.values[:, LENGTH - min(len(told), LENGTH - TOLD) :]
    assert np.isfinite(context.values[:, :TOLD]).all()
    assert np.isfinite(measured).all()
    assert np.isfinite(context.restore(np.ones((1, 64)))).all()


def test_no_measurement_at_all_is_refused():
    with pytest.raises(ValueError, match=r"series \[1\] hold no measurement"):
        anchored(batch(np.array([[1.0, np.nan], [np.nan, np.nan]])), LENGTH)


@pytest.mark.parametrize(("settings", "wanted"), [({}, False), ({KEY: NAME}, True)])
def test_weights_say_whether_they_want_it(
    tmp_path: Path, settings: dict[str, str], *, wanted: bool
):
    (tmp_path / "config.json").write_text(json.dumps(settings))
    assert wants_anchored(Weights(tmp_path, "w")) is wanted


@pytest.mark.parametrize("said", ["anchored-2", "", 1, ["anchored-1"]])
def test_contexts_of_another_name_are_refused(tmp_path: Path, said: object):
    (tmp_path / "config.json").write_text(json.dumps({KEY: said}))
    with pytest.raises(ValueError, match=r"w cannot be used: config.json asks for contexts .*Mend"):
        wants_anchored(Weights(tmp_path, "w", "Mend."))
