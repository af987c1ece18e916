"""Time-MoE in its real environment, through the real pool, on a tiny random checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from chronotick.config.schema import Workers
from chronotick.plugin import ModelSpec
from chronotick.testing import CHECKS, Check, LoadedModel, loaded, walk

pytestmark = [pytest.mark.environment, pytest.mark.timeout(600)]

Ask = Callable[..., list]


@pytest.fixture(scope="module")
def model(spec: ModelSpec, config: Workers, tiny: Path) -> Iterator[LoadedModel]:
    with loaded(spec, config, checkpoint=str(tiny)) as started:
        yield started


@pytest.mark.parametrize("check", CHECKS, ids=str)
def test_conforms(check: Check, model: LoadedModel):
    model.check(check)


def test_state_says_what_was_loaded(model: LoadedModel, tiny: Path):
    info = model.info
    assert info.checkpoint == str(tiny)
    assert info.device == "cpu"
    assert (info.max_context, info.max_horizon) == (512, 4096 - 512)
    assert info.parameters == 73_984


def test_it_has_points_only(model: LoadedModel):
    assert model.forecast(walk(64)).quantiles is None


def test_one_sample_suffices(model: LoadedModel):
    assert np.isfinite(model.forecast(walk(1)).mean).all()


def test_contexts_longer_than_the_limit_lose_their_old_end(model: LoadedModel):
    values = walk(2000)
    long, cut = [model.forecast(context).mean for context in (values, values[:, -512:])]
    np.testing.assert_array_equal(long, cut)


def standardised(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], float, float]:
    location, scale = float(np.nanmean(values)), float(np.nanstd(values))
    return (values - location) / scale, location, scale


HORIZONS = {1: [1], 16: [8, 8], 64: [64], 100: [64, 32, 1, 1, 1, 1]}


def test_answer_is_the_librarys_on_standardised_data(model: LoadedModel, tiny: Path, direct: Ask):
    """And the library writes as many values per pass as its output heads allow."""
    values = walk(500)
    standard, location, scale = standardised(values)
    questions = [[standard.tolist(), None, horizon] for horizon in HORIZONS]
    answers = direct("library", checkpoint=str(tiny), questions=questions)
    for (horizon, passes), (forecast, written) in zip(HORIZONS.items(), answers, strict=True):
        ours = (model.forecast(values, horizon).mean - location) / scale
        np.testing.assert_allclose(ours, np.array(forecast), rtol=1e-4, atol=1e-4)
        assert written == passes


def test_wire_changes_nothing(model: LoadedModel, tiny: Path, direct: Ask):
    """The worker's answer is bit for bit that of a direct call in the same environment."""
    values = walk(300)
    values[0, 100:120] = np.nan
    unwired = direct("ours", checkpoint=str(tiny), values=values.tolist(), horizon=40)
    np.testing.assert_array_equal(model.forecast(values, 40).mean, np.array(unwired))


def test_gaps_are_straight_lines_to_the_library(model: LoadedModel, tiny: Path, direct: Ask):
    values = walk(400)
    values[0, (np.arange(400) % 9 > 3) & (np.arange(400) < 395)] = np.nan
    standard, location, scale = standardised(values)
    step, known = np.arange(400), np.isfinite(values[0])
    line = np.interp(step, step[known], standard[0, known])
    [[expected, _]] = direct(
        "library", checkpoint=str(tiny), questions=[[[line.tolist()], None, 16]]
    )
    ours = (model.forecast(values).mean - location) / scale
    np.testing.assert_allclose(ours, np.array(expected), rtol=1e-4, atol=1e-4)


def test_masked_steps_are_deleted_by_the_library(tiny: Path, direct: Ask):
    """Why gaps are not masked: positions count unmasked steps only, so time would shrink."""
    standard, _, _ = standardised(walk(100))
    hole = (np.arange(100) >= 40) & (np.arange(100) < 70)
    mask = (~hole).astype(int)
    questions = [
        [standard.tolist(), [mask.tolist()], 16],
        [standard[:, ~hole].tolist(), None, 16],
        [standard.tolist(), None, 16],
    ]
    answers = direct("library", checkpoint=str(tiny), questions=questions)
    masked, deleted, whole = [np.array(forecast) for forecast, _ in answers]
    np.testing.assert_allclose(masked, deleted, atol=1e-4)
    assert np.abs(masked - whole).max() > 0.01


def test_gap_at_the_start_is_as_if_the_context_were_shorter(model: LoadedModel):
    values = walk(300)
    late = np.where(np.arange(300) < 180, np.nan, values)
    expected = model.forecast(values[:, 180:]).mean
    np.testing.assert_allclose(model.forecast(late).mean, expected, atol=1e-4 * np.nanstd(late))


def test_gap_at_the_end_is_forecast_too(model: LoadedModel):
    values = walk(300)
    early = np.where(np.arange(300) >= 290, np.nan, values)
    expected = model.forecast(values[:, :290], 26).mean[:, 10:]
    np.testing.assert_allclose(model.forecast(early).mean, expected, atol=1e-4 * np.nanstd(early))


def test_series_of_unequal_length_do_not_change_each_other(model: LoadedModel):
    """Neither where they begin nor where they end: that would choose the output heads of others."""
    values = walk(300, series=4)
    values[1, :170] = np.nan
    values[2, -4:] = np.nan
    values[3, :250] = np.nan
    values[3, -4:] = np.nan
    together = model.forecast(values, 60).mean
    for row, series in enumerate(values):
        alone = model.forecast(series[np.newaxis], 60).mean[0]
        np.testing.assert_allclose(together[row], alone, atol=1e-3 * np.nanstd(series))


def test_sizes_are_the_published_ones(direct: Ask):
    assert direct("sizes", names=["tiny", "50M", "200M"]) == [73_984, 113_352_192, 453_196_800]


def test_default_weights_are_found_in_the_hubs_cache(
    spec: ModelSpec,
    config: Workers,
    tiny: Path,
    tmp_path: Path,
    *,
    monkeypatch: pytest.MonkeyPatch,
    spoil: Callable[..., str],
):
    """The production call, on a checkpoint laid out as the hub's cache lays it out.

    With the code its repository carries: nothing of that may run.
    """
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    revision = spec.checkpoint.revision
    snapshot = tmp_path / "hub" / "models--Maple728--TimeMoE-50M" / "snapshots" / revision
    spoil(tiny, snapshot, auto_map=CLASSES)
    carry_code(snapshot, trace=tmp_path / "ran")
    with loaded(spec, config) as model:
        assert model.info.checkpoint == f"Maple728/TimeMoE-50M@{revision}"
        assert np.isfinite(model.forecast(walk(64)).mean).all()
    assert not (tmp_path / "ran").exists()


def carry_code(weights: Path, trace: Path) -> None:
    """Add model code to a checkpoint as the published repository has it."""
    for name in ("configuration_time_moe.py", "modeling_time_moe.py"):
        (weights / name).write_text(f"open({str(trace)!r}, 'w').close()\n", encoding="utf-8")


CLASSES = {
    "AutoConfig": "configuration_time_moe.TimeMoeConfig",
    "AutoModelForCausalLM": "modeling_time_moe.TimeMoeForPrediction",
}


def test_another_model_is_refused_by_name(
    tiny: Path, tmp_path: Path, direct: Ask, spoil: Callable[..., str]
):
    other = spoil(tiny, tmp_path / "t5", model_type="t5")
    [(_, said)] = direct("refusals", checkpoints=[other])
    assert "t5 holds a model of type 't5', not 'time_moe': give weights of Time-MoE, e.g." in said
