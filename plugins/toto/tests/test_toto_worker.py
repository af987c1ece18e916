"""Toto in its real environment, through the real pool, on random checkpoints."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from chronotick.config.schema import Workers
from chronotick.plugin import ModelSpec
from chronotick.testing import CHECKS, Check, Subject, Violation, running, walk
from chronotick.testing.checks import LEVELS

# One loop for the module: a worker that imports torch takes seconds to start.
pytestmark = [
    pytest.mark.environment,
    pytest.mark.timeout(600),
    pytest.mark.asyncio(loop_scope="module"),
]

Ask = Callable[..., list]
NAN_STEPS = np.arange(300) % 7 < 2


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tiny(spec: ModelSpec, config: Workers, tiny_weights: Path) -> AsyncIterator[Subject]:
    async with running(spec, config, checkpoint=str(tiny_weights)) as subject:
        yield subject


def standard(values: np.ndarray, by: np.ndarray) -> np.ndarray:
    return (values - np.nanmean(by)) / np.nanstd(by)


@pytest.mark.parametrize("check", CHECKS, ids=str)
async def test_it_conforms(check: Check, tiny: Subject):
    await check(tiny)


async def test_state_says_what_was_loaded(tiny: Subject, tiny_weights: Path):
    assert tiny.info.checkpoint == str(tiny_weights)
    assert tiny.info.device == "cpu"
    assert (tiny.info.max_context, tiny.info.max_horizon) == (4096, 1024)
    assert tiny.info.parameters == 91_376


@pytest.mark.parametrize("length", [1, 64, 300])
async def test_quantiles_of_one_pass_are_those_of_the_librarys_distribution(
    length: int, tiny: Subject, direct: Ask
):
    """The library pads by itself to whole patches; a single sample has no spread to scale with."""
    values = walk(length)
    quantiles = (await tiny.ask(values, 64)).quantiles[0]
    spread = values.std() or 1e-7
    below = direct(
        "probabilities",
        checkpoint=tiny.info.checkpoint,
        values=((values[0] - values.mean()) / spread).tolist(),
        mask=[True] * length,
        at=((quantiles - values.mean()) / spread).tolist(),
    )
    np.testing.assert_allclose(below, np.broadcast_to(LEVELS, (64, 5)), atol=2e-5)


async def test_gaps_are_masked_lines_for_the_library(tiny: Subject, direct: Ask):
    values = walk(300)
    steps = np.arange(300)
    gappy = np.where(NAN_STEPS & (steps > 0), np.nan, values)
    known = np.isfinite(gappy[0])
    quantiles = (await tiny.ask(gappy, 10)).quantiles[0]
    lines = np.interp(steps, steps[known], gappy[0, known])
    below = direct(
        "probabilities",
        checkpoint=tiny.info.checkpoint,
        values=standard(lines, gappy).tolist(),
        mask=known.tolist(),
        at=standard(quantiles, gappy).tolist(),
    )
    np.testing.assert_allclose(below, np.broadcast_to(LEVELS, (10, 5)), atol=2e-5)


async def test_steps_before_the_first_measurement_change_nothing(tiny: Subject):
    values = walk(200)
    late = np.concatenate([np.full((1, 500), np.nan), values], axis=1)
    first, second = [(await tiny.ask(context)).quantiles for context in (values, late)]
    np.testing.assert_allclose(first, second, atol=1e-5 * values.std(), rtol=0)


async def test_steps_after_the_last_measurement_are_forecast(tiny: Subject):
    values = walk(200)
    early = np.concatenate([values, np.full((1, 30), np.nan)], axis=1)
    there, later = await tiny.ask(values, 50), await tiny.ask(early, 20)
    np.testing.assert_allclose(
        later.quantiles, there.quantiles[:, 30:], atol=1e-5 * values.std(), rtol=0
    )


async def test_what_lies_too_long_after_the_last_measurement_is_refused(tiny: Subject):
    early = np.concatenate([walk(10), np.full((1, 1000), np.nan)], axis=1)
    await tiny.ask(early, 24)
    with pytest.raises(Violation, match=r"series \[0\] end 1000 steps before .* at most 1024"):
        await tiny.ask(early, 25)


async def test_contexts_longer_than_the_models_lose_their_old_end(tiny: Subject):
    values = walk(5000)
    long, cut = [await tiny.ask(context) for context in (values, values[:, -4096:])]
    np.testing.assert_array_equal(long.quantiles, cut.quantiles)


async def test_first_patch_is_exact_whatever_the_horizon(tiny: Subject):
    short, long = [await tiny.ask(walk(512), horizon) for horizon in (64, 200)]
    np.testing.assert_array_equal(long.quantiles[:, :64], short.quantiles)


async def test_series_do_not_change_each_others_samples(tiny: Subject):
    values = walk(256, series=2)
    together, alone = await tiny.ask(values, 150), await tiny.ask(values[1:], 150)
    np.testing.assert_allclose(
        together.quantiles[1:], alone.quantiles, atol=0.01 * values[1].std(), rtol=0
    )


async def test_wire_changes_nothing(tiny: Subject, direct: Ask):
    """The worker's answer is bit for bit that of a direct call in the same environment."""
    values = walk(512)
    answer = direct(
        "ours",
        checkpoint=tiny.info.checkpoint,
        values=values.tolist(),
        horizon=100,
        levels=list(LEVELS),
    )
    np.testing.assert_array_equal((await tiny.ask(values, 100)).quantiles, np.array(answer))


async def test_default_weights_are_found_in_the_hubs_cache(
    spec: ModelSpec,
    config: Workers,
    tiny_weights: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    """The production call, on a checkpoint laid out as the hub's cache lays it out."""
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    revision = spec.checkpoint.revision
    entry = tmp_path / "hub" / "models--Datadog--Toto-Open-Base-1.0"
    shutil.copytree(tiny_weights, entry / "snapshots" / revision)
    async with running(spec, config) as subject:
        assert subject.info.checkpoint == f"Datadog/Toto-Open-Base-1.0@{revision}"
        await subject.ask(walk(64))
