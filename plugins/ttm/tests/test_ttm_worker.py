"""TinyTimeMixer in its real environment, through the real pool, on random checkpoints."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from chronotick.config.schema import Workers
from chronotick.plugin import ModelSpec
from chronotick.plugin.gaps import lines
from chronotick.testing import CHECKS, Check, Subject, Violation, batch_of, running, walk
from chronotick.workers import ForecastFailed

# One loop for the module: a worker that imports torch takes seconds to start.
pytestmark = [
    pytest.mark.environment,
    pytest.mark.timeout(600),
    pytest.mark.asyncio(loop_scope="module"),
]

Ask = Callable[..., list]
GENEROUS_S = 60.0
TEMPERATURE = 300.0 + 0.01 * np.sin(np.arange(512) / 20)[np.newaxis]
LOAD = np.cos(np.arange(512) / 7)[np.newaxis]
BOTH = {"load": LOAD, "temperature": TEMPERATURE}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tiny(
    spec: ModelSpec, config: Workers, checkpoints: dict[str, Path]
) -> AsyncIterator[Subject]:
    async with running(spec, config, checkpoint=str(checkpoints["tiny"])) as subject:
        yield subject


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def mixing(
    spec: ModelSpec, config: Workers, checkpoints: dict[str, Path]
) -> AsyncIterator[Subject]:
    async with running(spec, config, checkpoint=str(checkpoints["tiny-covariates"])) as subject:
        yield subject


@pytest.mark.parametrize("check", CHECKS, ids=str)
async def test_univariate_weights_conform(check: Check, tiny: Subject):
    await check(tiny)


@pytest.mark.parametrize("check", CHECKS, ids=str)
async def test_weights_with_covariates_conform(check: Check, mixing: Subject):
    await check(mixing)


async def test_state_says_what_was_loaded(
    tiny: Subject, mixing: Subject, checkpoints: dict[str, Path]
):
    assert tiny.info.checkpoint == str(checkpoints["tiny"])
    assert tiny.info.device == "cpu"
    assert (tiny.info.max_context, mixing.info.max_context) == (512, 512)
    assert (tiny.info.max_horizon, mixing.info.max_horizon) == (576, 96)


async def test_it_answers_with_points(tiny: Subject):
    assert (await tiny.ask(walk(512))).quantiles is None


async def test_contexts_longer_than_the_models_lose_their_old_end(tiny: Subject):
    values = walk(3000)
    long, cut = [await tiny.ask(context) for context in (values, values[:, -512:])]
    np.testing.assert_array_equal(long.mean, cut.mean)


async def test_one_sample_suffices_and_is_repeated(tiny: Subject):
    """It has no spread: its measurement's noise scales the answer."""
    forecast = await tiny.ask(walk(1))
    assert np.abs(forecast.mean - walk(1)).max() < 1e-6


async def test_horizons_beyond_the_limit_are_refused(tiny: Subject, mixing: Subject):
    for subject, longest in ((tiny, 576), (mixing, 96)):
        with pytest.raises(ForecastFailed, match=f"{longest + 1} steps .* weights give {longest}"):
            await subject.worker.forecast(batch_of(walk(64)), longest + 1, (0.5,), GENEROUS_S)


async def test_wire_changes_nothing(tiny: Subject, checkpoints: dict[str, Path], direct: Ask):
    """The worker's answer is bit for bit that of a direct call in the same environment."""
    values = walk(512)
    answer = direct("ours", checkpoint=str(checkpoints["tiny"]), values=values.tolist(), step_s=1.0)
    np.testing.assert_array_equal((await tiny.ask(values)).mean, np.array(answer))


GAPS = np.where(np.arange(398) % 7 < 2, np.nan, walk(398, series=2))


def standard(values: np.ndarray) -> np.ndarray:
    mean, spread = np.nanmean(values, axis=1), np.nanstd(values, axis=1)
    return (values - mean[:, np.newaxis]) / spread[:, np.newaxis]


def as_library(*channels: np.ndarray) -> dict[str, list]:
    """Windows as the library masks them, with lines in gaps and zeros before all measurements."""
    stacked = np.stack([standard(channel) for channel in channels], axis=-1)
    padded = np.pad(stacked, ((0, 0), (512 - stacked.shape[1], 0), (0, 0)), constant_values=np.nan)
    closed = np.stack([lines(padded[..., channel]) for channel in range(len(channels))], axis=-1)
    return {"past": closed.tolist(), "observed": np.isfinite(padded).tolist()}


async def test_gaps_and_padding_are_masked_for_the_library(tiny: Subject, direct: Ask):
    library = direct("library", checkpoint=tiny.info.checkpoint, **as_library(GAPS))
    ours = standard(np.concatenate([GAPS, (await tiny.ask(GAPS, 96)).mean], axis=1))
    expected = standard(np.concatenate([GAPS, restored(GAPS, library)], axis=1))
    np.testing.assert_allclose(ours, expected, atol=1e-5)


@pytest.mark.parametrize(("lag", "horizon"), [(30, 16), (30, 66), (130, 200)])
async def test_steps_after_the_last_measurement_are_forecast(
    lag: int, horizon: int, tiny: Subject, mixing: Subject
):
    values = walk(300)
    early = np.concatenate([values, np.full((1, lag), np.nan)], axis=1)
    for subject in (tiny, mixing) if lag + horizon <= 96 else (tiny,):
        there, later = await subject.ask(values, lag + horizon), await subject.ask(early, horizon)
        np.testing.assert_allclose(
            later.mean, there.mean[:, lag:], atol=1e-5 * values.std(), rtol=0
        )


async def test_what_lies_too_long_after_the_last_measurement_is_refused(tiny: Subject):
    early = np.concatenate([walk(10), np.full((1, 476), np.nan)], axis=1)
    await tiny.ask(early, 100)
    with pytest.raises(Violation, match=r"series \[0\] end 476 steps before .* at most 576"):
        await tiny.ask(early, 101)


async def test_lines_in_gaps_are_nearer_to_the_truth_than_zeros(tiny: Subject, direct: Ask):
    """Where every 16th step was measured zeros would be most of the window."""
    ramp = 1e-6 * np.arange(512.0)[np.newaxis]
    sparse = np.where(np.arange(512) % 16 == 15, ramp, np.nan)
    whole, lined = [(await tiny.ask(values, 96)).mean for values in (ramp, sparse)]
    gappy = standard(sparse)[..., np.newaxis]
    question = {"past": np.nan_to_num(gappy).tolist(), "observed": np.isfinite(gappy).tolist()}
    zeros = restored(sparse, direct("library", checkpoint=tiny.info.checkpoint, **question))
    assert np.abs(lined - whole).max() < 0.5 * np.abs(zeros - whole).max()


def restored(values: np.ndarray, forecast: list) -> np.ndarray:
    mean, spread = np.nanmean(values, axis=1), np.nanstd(values, axis=1)
    return np.array(forecast) * spread[:, np.newaxis] + mean[:, np.newaxis]


async def test_horizons_beyond_one_pass_are_rolled_as_the_library_rolls(tiny: Subject, direct: Ask):
    library = direct("rolling", checkpoint=tiny.info.checkpoint, horizon=576, **as_library(GAPS))
    forecast = (await tiny.ask(GAPS, 576)).mean
    np.testing.assert_allclose(
        forecast, restored(GAPS, library), atol=1e-5 * np.nanstd(GAPS), rtol=0
    )
    one_pass = (await tiny.ask(GAPS, 96)).mean
    np.testing.assert_array_equal(forecast[:, :96], one_pass)


async def test_covariates_reach_the_model_as_the_library_takes_them(mixing: Subject, direct: Ask):
    """By name, whatever their order in the batch: temperature before load."""
    values = walk(512)
    library = direct(
        "library", checkpoint=mixing.info.checkpoint, **as_library(values, TEMPERATURE, LOAD)
    )
    forecast = await ask_with(mixing, values, BOTH)
    np.testing.assert_allclose(
        forecast, restored(values, library), atol=1e-5 * values.std(), rtol=0
    )
    for others in ({}, {"load": LOAD}, {"temperature": LOAD, "load": TEMPERATURE}):
        other = await ask_with(mixing, values, others)
        assert np.abs(forecast - other).max() > 1e-3 * values.std()


async def ask_with(subject: Subject, values: np.ndarray, covariates: dict) -> np.ndarray:
    batch = batch_of(values, covariates)
    return (await subject.worker.forecast(batch, 96, (0.5,), GENEROUS_S)).mean


async def test_missing_covariates_are_as_unmeasured_ones(mixing: Subject):
    values = walk(512)
    unmeasured = np.full((1, 512), np.nan)
    without = await ask_with(mixing, values, {"load": LOAD})
    masked = await ask_with(mixing, values, {"load": LOAD, "temperature": unmeasured})
    np.testing.assert_array_equal(without, masked)


async def test_covariates_have_any_unit(mixing: Subject):
    values = walk(512)
    kelvin = await ask_with(mixing, values, BOTH)
    other = await ask_with(mixing, values, BOTH | {"temperature": 1e6 + 1e3 * TEMPERATURE})
    np.testing.assert_allclose(other, kelvin, atol=1e-3 * values.std(), rtol=0)


async def test_univariate_weights_leave_covariates_aside(tiny: Subject):
    values = walk(512)
    with_them = await ask_with(tiny, values, BOTH)
    np.testing.assert_array_equal(with_them, (await tiny.ask(values, 96)).mean)


async def test_weights_tuned_to_resolutions_are_told_the_step(
    checkpoints: dict[str, Path], direct: Ask
):
    values, checkpoint = walk(512), str(checkpoints["tiny-resolution"])
    answers = []
    for step_s, token in ((1.0, 0), (60.0, 1)):
        library = direct("library", checkpoint=checkpoint, token=token, **as_library(values))
        ours = direct(
            "ours", checkpoint=checkpoint, values=values.tolist(), step_s=step_s, horizon=96
        )
        np.testing.assert_allclose(
            ours, restored(values, library), atol=1e-5 * values.std(), rtol=0
        )
        answers.append(np.array(ours))
    assert np.abs(answers[0] - answers[1]).max() > 1e-3 * values.std()


async def test_published_weights_are_found_in_the_hubs_cache(
    spec: ModelSpec,
    config: Workers,
    checkpoints: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    """The production call, on a checkpoint laid out as the hub's cache lays it out."""
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    published = spec.alternatives[0]
    revision = published.revision
    entry = tmp_path / "hub" / "models--ibm-granite--granite-timeseries-ttm-r2"
    shutil.copytree(checkpoints["512-96-r2"], entry / "snapshots" / revision)
    async with running(spec, config, checkpoint=published.identifier) as subject:
        assert subject.info.checkpoint == f"ibm-granite/granite-timeseries-ttm-r2@{revision}"
        await subject.ask(walk(64))
