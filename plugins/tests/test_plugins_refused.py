"""Weights that no model may load, or take memory for: it says which file, why and what to do.

All in one process per model: its imports take seconds.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from chronotick.hub.testing import tensors_file
from chronotick.plugin import load_plugins
from chronotick.plugin.weights import is_shipped

pytestmark = [pytest.mark.environment, pytest.mark.timeout(600)]

MODELS = ("chronos", "timesfm", "ttm", "toto", "time-moe")
LAYERS = {
    "chronos": "num_layers",
    "ttm": "num_layers",
    "toto": "num_layers",
    "time-moe": "num_hidden_layers",
}
# TimesFM 2.5 is as large as its file says, and has no settings.
CONFIGURED = tuple(LAYERS)


def damaged_files(whole: bytes) -> Mapping[str, bytes]:
    """Contents of ``model.safetensors``."""
    lies = {"a": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 4]}}
    header = json.dumps(lies).encode()
    return {
        "cut": whole[: len(whole) // 2],
        "empty": b"",
        "garbage": b"\x80\x04 a pickle, perhaps" * 100,
        "lies": len(header).to_bytes(8, "little") + header + bytes(4),
    }


@pytest.mark.parametrize("model", MODELS)
def test_weights_that_are_not_there(
    model: str, random_weights: Callable[..., Path], ask_inside, tmp_path
):
    """Pickles are not looked at."""
    spec = load_plugins().find(model)
    published = next(
        each.identifier
        for each in (spec.checkpoint, *spec.alternatives)
        if not is_shipped(each.identifier)
    )
    pickled = shutil.copytree(random_weights(model), tmp_path / "pickled")
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    expected = {
        published: f"does not hold {published}, and HF_HUB_OFFLINE forbids a download",
        "nonsense": "neither a directory nor a hub id",
        "/nonexistent/weights": "there is no directory",
        str(pickled): "lacks model.safetensors",
    }
    said = ask_inside(model)("refusals", checkpoints=list(expected))
    for words, (kind, text) in zip(expected.values(), said, strict=True):
        assert kind == "FileNotFoundError"
        assert words in text


@pytest.mark.parametrize("model", MODELS)
def test_damaged_tensors(
    model: str, random_weights: Callable[..., Path], ask_inside: Callable[..., Callable], tmp_path
):
    source = random_weights(model)
    whole = (source / "model.safetensors").read_bytes()
    for name, content in damaged_files(whole).items():
        shutil.copytree(source, tmp_path / name)
        (tmp_path / name / "model.safetensors").write_bytes(content)
    check_refused(model, tmp_path, ask_inside, file="model.safetensors")


@pytest.mark.parametrize("model", CONFIGURED)
def test_damaged_settings(model: str, random_weights: Callable[..., Path], ask_inside, tmp_path):
    for name, content in {
        "broken": b'{"model_type": ',
        "list": b"[]",
        "binary": b"\xff\xfe\x00",
        "deep": b"[" * 100_000,
    }.items():
        shutil.copytree(random_weights(model), tmp_path / name)
        (tmp_path / name / "config.json").write_bytes(content)
    check_refused(model, tmp_path, ask_inside, file="config.json")


def check_refused(model: str, root: Path, ask_inside: Callable[..., Callable], file: str) -> None:
    directories = sorted(root.iterdir())
    said = ask_inside(model)("refusals", checkpoints=list(map(str, directories)))
    for directory, (kind, text) in zip(directories, said, strict=True):
        assert kind == "ValueError", (directory.name, kind, text)
        assert str(directory / file) in text
        assert f"chronotick models pull {model}" in text


@pytest.mark.parametrize("model", CONFIGURED)
def test_settings_that_lack_keys_or_hold_nonsense(
    model: str, random_weights: Callable[..., Path], ask_inside, spoil, tmp_path
):
    """Whatever their library makes of them."""
    source = random_weights(model)
    settings = json.loads((source / "config.json").read_text(encoding="utf-8"))
    ours = ("architectures", "model_type", "output_distribution_classes", "scaler_cls")
    others = [name for name in settings if name not in ours]
    checkpoints = [
        spoil(source, tmp_path / "bare", **dict.fromkeys(others)),
        spoil(source, tmp_path / "nonsense", **dict.fromkeys(others, "nonsense")),
        spoil(source, tmp_path / "negative", **{LAYERS[model]: -1}),
    ]
    for checkpoint, (kind, text) in zip(
        checkpoints, ask_inside(model)("refusals", checkpoints=checkpoints), strict=True
    ):
        assert kind == "ValueError", (kind, text)
        assert checkpoint in text
        assert f"chronotick models pull {model}" in text


@pytest.mark.parametrize("model", CONFIGURED)
def test_layers_too_many_or_too_few_for_the_file(
    model: str, random_weights: Callable[..., Path], ask_inside, spoil, tmp_path
):
    """Libraries make up those that are missing and forget those left over, without a word."""
    # Toto's layers come in blocks, hence 2 in its smallest size; others have at least one.
    source = random_weights(model)
    key = LAYERS[model]
    count = json.loads((source / "config.json").read_text(encoding="utf-8"))[key]
    block = {"spacewise_every_n_layers": 1} if model == "toto" else {}
    decoder = {"num_decoder_layers": 0} if model == "chronos" else {}
    more = spoil(source, tmp_path / "more", **{key: 2 * count, **block})
    fewer = spoil(source, tmp_path / "fewer", **{key: count - 1, **block, **decoder})
    billion = spoil(source, tmp_path / "billion", **{key: 10**9})
    (_, too_many), (_, too_few), (_, endless) = ask_inside(model)(
        "refusals", checkpoints=[more, fewer, billion]
    )
    assert "tensors that are missing, e.g. " in too_many
    assert "tensors too few, e.g. " in too_few
    assert "tensors are described, many more than are stored" in endless


def test_settings_that_were_lost_take_no_memory(
    random_weights: Callable[..., Path], ask_inside, tmp_path
):
    """What is not said has a default: the library's own was 23.6 GB."""
    shutil.copytree(random_weights("time-moe"), tmp_path / "lost")
    (tmp_path / "lost" / "config.json").write_text('{"model_type": "time_moe"}', encoding="utf-8")
    ask = ask_inside("time-moe")
    before = ask("peak")
    [(kind, text)] = ask("refusals", checkpoints=[str(tmp_path / "lost")])
    assert kind == "ValueError"
    assert "tensors that are missing" in text
    assert ask("peak") - before < 500


@pytest.mark.parametrize("model", MODELS)
def test_tensors_of_others_beside_the_weights_are_not_theirs(
    model: str, random_weights: Callable[..., Path], ask_inside, tmp_path
):
    shutil.copytree(random_weights(model), tmp_path / "w")
    (tmp_path / "w" / "zz_optimizer.safetensors").write_bytes(tensors_file({"exp_avg": 10}))
    assert ask_inside(model)("refusals", checkpoints=[str(tmp_path / "w")]) == [["", ""]]
