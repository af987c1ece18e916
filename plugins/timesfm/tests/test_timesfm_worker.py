"""TimesFM in its real environment, through the real pool, on tiny random checkpoints."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from chronotick.config.schema import Workers
from chronotick.plugin import ModelSpec
from chronotick.testing import CHECKS, Check, Subject, Violation, batch_of, running, walk
from chronotick.workers import ForecastFailed

# One loop for the module: a worker that imports torch takes seconds to start.
pytestmark = [
    pytest.mark.environment,
    pytest.mark.timeout(600),
    pytest.mark.asyncio(loop_scope="module"),
]

TENTHS = [tenth / 10 for tenth in range(1, 10)]
GENEROUS_S = 60.0

# In units of the context's spread. Random weights listen little; float32 rounds at 1e-6.
HEARD = 1e-4
ROUNDING = 1e-5

Ask = Callable[..., list]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def version25(
    spec: ModelSpec, config: Workers, checkpoints: dict[str, Path]
) -> AsyncIterator[Subject]:
    async with running(spec, config, checkpoint=str(checkpoints["tiny-2.5"])) as subject:
        yield subject


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def version3(
    spec: ModelSpec, config: Workers, checkpoints: dict[str, Path]
) -> AsyncIterator[Subject]:
    async with running(spec, config, checkpoint=str(checkpoints["tiny-3"])) as subject:
        yield subject


@pytest.mark.parametrize("check", CHECKS, ids=str)
async def test_version_25_conforms(check: Check, version25: Subject):
    await check(version25)


@pytest.mark.parametrize("check", CHECKS, ids=str)
async def test_version_3_conforms(check: Check, version3: Subject):
    await check(version3)


async def test_state_says_what_was_loaded(
    version25: Subject, version3: Subject, checkpoints: dict[str, Path]
):
    for subject, kind in ((version25, "tiny-2.5"), (version3, "tiny-3")):
        assert subject.info.checkpoint == str(checkpoints[kind])
        assert (subject.info.device, subject.info.max_context) == ("cpu", 15_360)
        assert subject.info.max_horizon == 1024


async def test_one_sample_suffices(version25: Subject, version3: Subject):
    for subject in (version25, version3):
        await subject.ask(walk(1))


async def test_contexts_longer_than_the_models_lose_their_old_end(version25: Subject):
    values = walk(15_400)
    long, cut = [await version25.ask(context) for context in (values, values[:, -15_360:])]
    np.testing.assert_array_equal(long.mean, cut.mean)


# Two series at once; missing at the start and in between; no whole patches of 32.
GAPS = np.where(np.arange(500) % 7 < 2, np.nan, walk(500, series=2))
GAPS[0, :100] = np.nan
LOCATION = np.nanmean(GAPS, axis=1, keepdims=True)
SCALE = np.nanstd(GAPS, axis=1, keepdims=True)
HORIZON = 300
"""Beyond one pass of the decoder."""


@pytest.mark.parametrize("lag", [1, 30, 200])
async def test_steps_after_the_last_measurement_are_forecast(
    lag: int, version25: Subject, version3: Subject
):
    """The library takes them for repetitions of that measurement."""
    values = walk(400, series=2)
    early = np.concatenate([values, np.full((2, lag), np.nan)], axis=1)
    early[1] = np.concatenate([np.full(lag, np.nan), values[1]])
    for subject in (version25, version3):
        there, later = await subject.ask(values, lag + 16), await subject.ask(early, 16)
        expected = np.stack([there.quantiles[0, lag:], there.quantiles[1, :16]])
        np.testing.assert_allclose(later.quantiles, expected, atol=1e-3 * values.std(), rtol=0)


async def test_what_lies_too_long_after_the_last_measurement_is_refused(version25: Subject):
    early = np.concatenate([walk(10), np.full((1, 1000), np.nan)], axis=1)
    await version25.ask(early, 24)
    with pytest.raises(Violation, match=r"series \[0\] end 1000 steps before .* at most 1024"):
        await version25.ask(early, 25)


async def test_version_25_answers_as_the_library_however_it_pads(version25: Subject, direct: Ask):
    library = direct(
        "library25",
        checkpoint=version25.info.checkpoint,
        inputs=((GAPS - LOCATION) / SCALE).tolist(),
        horizon=HORIZON,
    )
    forecast = await version25.worker.forecast(batch_of(GAPS), HORIZON, TENTHS, GENEROUS_S)
    ours = (forecast.quantiles - LOCATION[:, :, None]) / SCALE[:, :, None]
    np.testing.assert_allclose(ours, np.array(library), rtol=1e-4, atol=1e-4)


SINE = 300.0 + 0.01 * np.sin(np.arange(500) / 20)


async def test_version_3_answers_as_the_library(version3: Subject, direct: Ask):
    standard = (SINE - SINE.mean()) / SINE.std()
    question = {
        "checkpoint": version3.info.checkpoint,
        "inputs": ((GAPS - LOCATION) / SCALE).tolist(),
        "horizon": HORIZON,
    }
    both = np.tile(SINE, (2, 1))
    for past, covariates in (([], {}), ([standard.tolist()] * 2, {"cpu": both})):
        library = direct("library3", past=past, **question)
        batch = batch_of(GAPS, covariates)
        forecast = await version3.worker.forecast(batch, HORIZON, TENTHS, GENEROUS_S)
        ours = (forecast.quantiles - LOCATION[:, :, None]) / SCALE[:, :, None]
        np.testing.assert_allclose(ours, np.array(library), rtol=1e-4, atol=1e-4)


async def test_version_3_hears_the_covariates_a_series_has(version3: Subject):
    values = walk(500, series=3)
    temperature = np.tile(SINE, (3, 1))
    temperature[1] = np.nan
    temperature[2, ::5] = np.nan
    batch = batch_of(values, {"cpu": temperature})
    heard = await version3.worker.forecast(batch, 16, TENTHS, GENEROUS_S)
    deaf = await version3.ask(values)
    changes = np.abs(heard.mean - deaf.mean).max(axis=1) / values.std(axis=1)
    assert (changes > HEARD).tolist() == [True, False, True]
    assert changes[1] < ROUNDING


async def test_version_3_says_how_many_covariates_it_takes(version3: Subject):
    batch = batch_of(walk(500), {str(number): SINE[np.newaxis] for number in range(32)})
    with pytest.raises(ForecastFailed, match="at most 31 covariates, not 32"):
        await version3.worker.forecast(batch, 4, TENTHS, GENEROUS_S)


async def test_version_25_leaves_covariates_aside(version25: Subject):
    values = walk(500)
    batch = batch_of(values, {"cpu": SINE[np.newaxis]})
    forecast = await version25.worker.forecast(batch, 16, TENTHS, GENEROUS_S)
    np.testing.assert_array_equal(forecast.mean, (await version25.ask(values)).mean)


async def test_licence_of_version_3_is_told(version25: Subject, version3: Subject):
    assert "no commercial and no production use" in version3.worker.output()
    assert "commercial" not in version25.worker.output()


async def test_default_weights_are_found_in_the_hubs_cache(
    spec: ModelSpec,
    config: Workers,
    checkpoints: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    """The production call, on a checkpoint laid out as the hub's cache lays it out."""
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    revision = spec.checkpoint.revision
    entry = tmp_path / "hub" / "models--google--timesfm-2.5-200m-pytorch"
    shutil.copytree(checkpoints["tiny-2.5"], entry / "snapshots" / revision)
    async with running(spec, config) as subject:
        assert subject.info.checkpoint == f"google/timesfm-2.5-200m-pytorch@{revision}"
        await subject.ask(walk(64))
