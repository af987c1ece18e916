"""Chronos in its real environment, through the real pool, on tiny random checkpoints."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from chronotick.config.schema import Workers
from chronotick.plugin import ModelSpec
from chronotick.testing import CHECKS, Check, Subject, batch_of, running, walk

# One loop for the module: a worker that imports torch takes seconds to start.
pytestmark = [
    pytest.mark.environment,
    pytest.mark.timeout(600),
    pytest.mark.asyncio(loop_scope="module"),
]

LEVELS = (0.01, 0.1, 0.5, 0.9, 0.99)
TENTHS = [tenth / 10 for tenth in range(1, 10)]
TWENTIETHS = [0.01, *(twentieth / 20 for twentieth in range(1, 20)), 0.99]
GENEROUS_S = 60.0

Ask = Callable[..., list]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bolt(
    spec: ModelSpec, config: Workers, checkpoints: dict[str, Path]
) -> AsyncIterator[Subject]:
    async with running(spec, config, checkpoint=str(checkpoints["tiny-bolt"])) as subject:
        yield subject


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chronos2(
    spec: ModelSpec, config: Workers, checkpoints: dict[str, Path]
) -> AsyncIterator[Subject]:
    async with running(spec, config, checkpoint=str(checkpoints["tiny-2"])) as subject:
        yield subject


@pytest.mark.parametrize("check", CHECKS, ids=str)
async def test_bolt_conforms(check: Check, bolt: Subject):
    await check(bolt)


@pytest.mark.parametrize("check", CHECKS, ids=str)
async def test_chronos2_conforms(check: Check, chronos2: Subject):
    await check(chronos2)


async def test_state_says_what_was_loaded(
    bolt: Subject, chronos2: Subject, checkpoints: dict[str, Path]
):
    assert bolt.info.checkpoint == str(checkpoints["tiny-bolt"])
    assert (bolt.info.device, chronos2.info.device) == ("cpu", "cpu")
    assert (bolt.info.max_context, chronos2.info.max_context) == (2048, 8192)
    assert min(bolt.info.parameters, chronos2.info.parameters) > 10_000


async def test_contexts_longer_than_the_models_lose_their_old_end(bolt: Subject):
    values = walk(3000)
    long, cut = [await bolt.ask(context) for context in (values, values[:, -2048:])]
    np.testing.assert_array_equal(long.mean, cut.mean)


async def test_one_sample_suffices(bolt: Subject, chronos2: Subject):
    for subject in (bolt, chronos2):
        forecast = await subject.ask(walk(1))
        np.testing.assert_array_equal(forecast.mean, forecast.quantiles[:, :, 2])


async def test_wire_changes_nothing(bolt: Subject, checkpoints: dict[str, Path], direct: Ask):
    """The worker's answer is bit for bit that of a direct call in the same environment."""
    values = walk(512)
    answer = direct(
        "ours",
        checkpoint=str(checkpoints["tiny-bolt"]),
        values=values.tolist(),
        horizon=16,
        levels=LEVELS,
    )
    forecast = await bolt.ask(values)
    np.testing.assert_array_equal(forecast.quantiles, np.array(answer))


GAPS = np.where(np.arange(500) % 7 < 2, np.nan, walk(500))


async def check_against_library(subject: Subject, levels: list[float], direct: Ask):
    """Gaps included: the library masks NaN."""
    location, scale = np.nanmean(GAPS), np.nanstd(GAPS)
    standard = ((GAPS - location) / scale).tolist()
    library = direct("library", checkpoint=subject.info.checkpoint, inputs=standard, horizon=64)
    forecast = await subject.worker.forecast(batch_of(GAPS), 64, levels, GENEROUS_S)
    ours = (forecast.quantiles - location) / scale
    np.testing.assert_allclose(ours, np.array(library), rtol=1e-4, atol=1e-4)


async def test_bolt_answers_as_the_library_on_standardised_data(bolt: Subject, direct: Ask):
    await check_against_library(bolt, TENTHS, direct)


async def test_chronos2_answers_as_the_library_on_standardised_data(chronos2: Subject, direct: Ask):
    await check_against_library(chronos2, TWENTIETHS, direct)


async def test_steps_after_the_last_measurement_are_neither_dropped_nor_held(
    bolt: Subject, chronos2: Subject
):
    """Two patches of the model's: it knows by their positions that they are there and unknown."""
    values = walk(256)
    early = np.concatenate([values, np.full((1, 32), np.nan)], axis=1)
    held = np.concatenate([values, np.full((1, 32), values[0, -1])], axis=1)
    for subject in (bolt, chronos2):
        forecast = (await subject.ask(early)).mean
        for other in (values, held):
            assert np.abs(forecast - (await subject.ask(other)).mean).max() > HEARD * values.std()


# In units of the context's spread. Random weights listen little; float32 rounds at 1e-6.
HEARD = 1e-4
ROUNDING = 1e-5

TEMPERATURE = 300.0 + 0.01 * np.sin(np.arange(512) / 20)[np.newaxis]


async def test_covariates_reach_the_model_as_the_library_takes_them(
    chronos2: Subject, checkpoints: dict[str, Path], direct: Ask
):
    values = walk(512)
    standard = [(item - item.mean()) / item.std() for item in (values, TEMPERATURE)]
    task = {"target": standard[0][0].tolist(), "past_covariates": {"cpu": standard[1][0].tolist()}}
    library = direct("library", checkpoint=str(checkpoints["tiny-2"]), inputs=[task], horizon=16)
    batch = batch_of(values, {"cpu": TEMPERATURE})
    forecast = await chronos2.worker.forecast(batch, 16, TWENTIETHS, GENEROUS_S)
    ours = (forecast.quantiles - values.mean()) / values.std()
    np.testing.assert_allclose(ours, np.array(library), rtol=1e-4, atol=1e-4)
    without = (await chronos2.ask(values)).mean
    assert np.abs(forecast.mean - without).max() > HEARD * values.std()


async def test_covariates_count_on_any_scale_and_with_gaps(chronos2: Subject):
    values = walk(512)

    async def ask(cpu: np.ndarray) -> np.ndarray:
        batch = batch_of(values, {"cpu": cpu})
        return (await chronos2.worker.forecast(batch, 16, LEVELS, GENEROUS_S)).mean

    kelvin, other_unit, gaps = [
        await ask(cpu)
        for cpu in (
            TEMPERATURE,
            1e6 + 1e3 * TEMPERATURE,
            np.where(np.arange(512) % 5 == 0, np.nan, TEMPERATURE),
        )
    ]
    np.testing.assert_allclose(other_unit, kelvin, rtol=0, atol=ROUNDING * values.std())
    assert np.isfinite(gaps).all()
    assert np.abs(gaps - kelvin).max() > HEARD * values.std()


async def test_covariates_without_any_value_change_nothing(chronos2: Subject):
    """Each series has the covariates it has values of: all in one batch."""
    values = walk(256, series=3)
    temperature = np.repeat(TEMPERATURE[:, :256], 3, axis=0)
    temperature[1] = np.nan
    batch = batch_of(values, {"cpu": temperature})
    together = await chronos2.worker.forecast(batch, 16, LEVELS, GENEROUS_S)
    without = await chronos2.ask(values)
    changes = np.abs(together.mean - without.mean).max(axis=1) / values.std(axis=1)
    assert (changes > HEARD).tolist() == [True, False, True]
    assert changes[1] < ROUNDING


async def test_bolt_leaves_covariates_aside(bolt: Subject):
    values = walk(256)
    batch = batch_of(values, {"cpu": TEMPERATURE[:, :256]})
    forecast = await bolt.worker.forecast(batch, 16, LEVELS, GENEROUS_S)
    np.testing.assert_array_equal(forecast.mean, (await bolt.ask(values)).mean)


async def test_published_weights_are_found_in_the_hubs_cache(
    spec: ModelSpec,
    config: Workers,
    checkpoints: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    """The production call, on a checkpoint laid out as the hub's cache lays it out."""
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    published = next(each for each in spec.alternatives if each.size_mb == 191)
    revision = published.revision
    entry = tmp_path / "hub" / "models--amazon--chronos-bolt-small"
    shutil.copytree(checkpoints["tiny-bolt"], entry / "snapshots" / revision)
    async with running(spec, config, checkpoint=published.identifier) as subject:
        assert subject.info.checkpoint == f"amazon/chronos-bolt-small@{revision}"
        await subject.ask(walk(64))
