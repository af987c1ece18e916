from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from chronotick.lab.training import conducting
from chronotick.lab.training.conducting import Training, TrainingFailed, conduct
from chronotick.lab.training.recipe import Recipe
from chronotick.plugin.contract import ModelSpec

FAKE = Path(__file__).with_name("fake_trainer.py")
SPEC = ModelSpec(name="fake", title="fake", worker="chronotick:x", licence="MIT", output="point")


def run(
    recipe: Recipe, out: Path, behaviour: str = "", *, steps: int = 5, resume: bool = False
) -> list[Mapping[str, Any]]:
    line = [sys.executable, str(FAKE), behaviour, str(out), str(steps)]
    training = Training(spec=SPEC, recipe=recipe, out=out, resume=resume, command="again")
    told: list[Mapping[str, Any]] = []
    assert conduct(line, training, told.append) == out
    return told


def seen(out: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = json.loads((out / "seen.json").read_text())
    return found


def test_a_trainer_gets_its_examples_and_ends_the_training(recipe: Recipe, tmp_path: Path) -> None:
    told = run(recipe, tmp_path / "out")
    assert [told[0]["event"], told[-1]["event"]] == ["started", "saved"]
    found = seen(tmp_path / "out")
    assert len(found["validation"]) == recipe.data.validation_batches
    assert len(set(found["learnt"])) == 5
    assert found["header"]["data"]["batch"] == recipe.data.batch  # type: ignore[call-overload] # an object


def test_a_resumed_training_gets_what_the_first_would_have_got(
    recipe: Recipe, tmp_path: Path
) -> None:
    run(recipe, tmp_path / "whole")
    run(recipe, tmp_path / "late", resume=True)
    whole, late = seen(tmp_path / "whole"), seen(tmp_path / "late")
    assert late["validation"] == whole["validation"]
    assert late["learnt"] == whole["learnt"][2:]


@pytest.mark.parametrize(
    ("behaviour", "says"),
    [
        ("dies", "ended with code 3 and left no weights:\nTraceback: no torch here"),
        ("killed", "ended by signal 9"),
        ("forgets", "ended with code 0 and left no weights"),
        ("complains", r"model\.width must be even"),
        ("mutters", "says b'loading...\\\\n' where an event belongs"),
    ],
)
def test_a_trainer_that_fails_says_why(
    recipe: Recipe, tmp_path: Path, behaviour: str, says: str
) -> None:
    before = {*threading.enumerate()}  # other tests may have left some
    with pytest.raises(TrainingFailed, match=says):
        run(recipe, tmp_path / "out", behaviour)
    assert {*threading.enumerate()} <= before


def test_examples_that_cannot_be_made_end_the_training(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_arguments: object, **_options: object) -> object:
        raise ValueError("no worlds today")

    monkeypatch.setattr(conducting, "streaming", broken)
    with pytest.raises(TrainingFailed, match="the examples ended: no worlds today"):
        run(recipe, tmp_path / "out")


@pytest.mark.parametrize("behaviour", ["hangs", "stubborn"])
def test_ctrl_c_ends_the_trainer_too(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, behaviour: str
) -> None:
    monkeypatch.setattr(conducting, "PATIENCE_S", 0.5)
    line = [sys.executable, str(FAKE), behaviour, str(tmp_path / "out"), "5"]
    training = Training(spec=SPEC, recipe=recipe, out=tmp_path / "out")

    def interrupt(event: Mapping[str, Any]) -> None:
        if event["event"] == "step":
            os.kill(os.getpid(), signal.SIGINT)

    before = {*threading.enumerate()}
    with pytest.raises(KeyboardInterrupt):
        conduct(line, training, interrupt)
    assert {*threading.enumerate()} <= before
    assert not (tmp_path / "out").exists()
