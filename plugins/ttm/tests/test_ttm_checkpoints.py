"""Checkpoints: which are written, what they say of themselves, and which are refused."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from chronotick.plugin import ModelSpec
from chronotick.testing import walk

pytestmark = [pytest.mark.environment, pytest.mark.timeout(600)]

Ask = Callable[..., list]


def test_published_sizes_have_the_published_number_of_weights(
    spec: ModelSpec, checkpoints: dict[str, Path], direct: Ask
):
    """Sizes of files and numbers of weights as on the hub."""
    published = {
        "512-96-r2": ([512, 576, 805_280], 3_240_592),
        "1024-96-r2": ([1024, 1056, 2_964_960], 11_879_480),
        "1536-96-r2": ([1536, 1536, 3_081_120], 12_344_144),
    }
    said = direct("loaded", checkpoints=[str(checkpoints[size]) for size in published])
    for (size, (limits, size_bytes)), loaded in zip(published.items(), said, strict=True):
        assert loaded == limits, size
        assert (checkpoints[size] / "model.safetensors").stat().st_size == size_bytes
    assert spec.max_horizon >= max(horizon for _, horizon, _ in said)


def test_random_weights_are_the_same_every_time(
    spec: ModelSpec,
    checkpoints: dict[str, Path],
    tmp_path: Path,
    run_in_environment: Callable[..., subprocess.CompletedProcess[str]],
):
    """Written as ``chronotick models tiny`` does."""
    module, size = "chronotick.plugin.random_weights", spec.random_sizes[0]
    run_in_environment(spec, module, spec.random_weights, tmp_path / "again", size)
    for name in ("config.json", "model.safetensors"):
        first = (checkpoints[size] / name).read_bytes()
        assert (tmp_path / "again" / name).read_bytes() == first


def test_what_is_not_used_and_what_is_missing_is_said_once(
    checkpoints: dict[str, Path], direct: Ask
):
    given = {name: walk(512).tolist() for name in ("load", "temperature")}
    batches = [given, given, {"load": given["load"]}, {"load": given["load"]}]
    question = {"values": walk(512).tolist(), "covariates": batches}
    assert direct("told", checkpoint=str(checkpoints["tiny"]), **question) == [
        "covariates load, temperature: given, but not used by these weights"
    ]
    assert direct("told", checkpoint=str(checkpoints["tiny-covariates"]), **question) == [
        "covariates temperature: used by these weights, but not given"
    ]


def test_weights_that_cannot_be_used_are_refused_by_name(
    checkpoints: dict[str, Path], tmp_path: Path, direct: Ask, spoil: Callable[..., str]
):
    """What the library would load without a word, among others."""
    source, several = checkpoints["tiny"], checkpoints["tiny-covariates"]
    nameless = spoil(several, tmp_path / "nameless")
    (tmp_path / "nameless" / "preprocessor_config.json").unlink()
    expected = {
        spoil(
            checkpoints["tiny-resolution"], tmp_path / "more", resolution_prefix_tuning=False
        ): "tensors too few, e.g. backbone.encoder.freq_mod",
        spoil(source, tmp_path / "other", architectures=["PatchTSTForPrediction"]): (
            "other is a PatchTSTForPrediction: model ttm loads TinyTimeMixerForPrediction only"
        ),
        spoil(source, tmp_path / "bert", architectures=None, model_type="bert"): "bert is a bert",
        spoil(source, tmp_path / "wider", d_model=32): "of another shape, e.g. ",
        spoil(source, tmp_path / "nll", loss="nll"): "cannot be used: it has a distribution head",
        spoil(
            source, tmp_path / "tail", loss="pinball", quantile=0.9
        ): "forecasts the quantile 0.9",
        spoil(source, tmp_path / "static", categorical_vocab_size_list=[3]): "static categories",
        spoil(several, tmp_path / "future", enable_forecast_channel_mixing=True): (
            "wants the future of covariates"
        ),
        spoil(several, tmp_path / "second", prediction_channel_indices=[1]): (
            "does not forecast its first channel"
        ),
        nameless: "mixes 3 channels, and no preprocessor_config.json names them",
        spoil(several, tmp_path / "count", num_input_channels=2): "names 3 channels",
    }
    said = direct("refusals", checkpoints=list(expected))
    for words, (_, error) in zip(expected.values(), said, strict=True):
        assert words in error
