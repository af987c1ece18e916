"""``chronotick lab train`` and ``prior``, with a trainer that only pretends."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from chronotick.lab.training import conducting

FAKE = Path(__file__).parents[1] / "lab" / "training" / "fake_trainer.py"
SMALL = """
prior: {polls: [60, 90], servers: [1], poll_s: [16, 256]}
data: {batch: 8, windows: 8, worlds: 2, validation_worlds: 1, validation_windows: 8}
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(SMALL, encoding="utf-8")
    return path


@pytest.fixture
def pretending(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Let the trainer be the pretending one, which behaves as told."""

    class Lease:
        def release(self) -> None:
            pass

    def pretend(behaviour: str = "") -> None:
        line = [sys.executable, str(FAKE), behaviour, str(tmp_path / "out"), "3"]
        monkeypatch.setattr(conducting, "provide", lambda *_a, **_o: Lease())
        monkeypatch.setattr(conducting, "command", lambda *_a: line)

    return pretend


def test_training_shows_what_it_does_and_how_to_use_it(
    run, pretending, recipe: Path, tmp_path: Path
):
    pretending()
    out = tmp_path / "out"
    result = run("lab", "train", "chronos", "--config", recipe, "--out", out, "--processes", "1")
    assert result.exit_code == 0, result.stderr
    assert "step 3 of 3: loss 1.0000" in result.stderr
    assert result.stdout.splitlines() == [
        f"written: {out}",
        f"use it: chronotick run --models chronos --checkpoint chronos={out}",
    ]


def test_a_training_that_fails_says_whose_fault_it_is(
    run, pretending, recipe: Path, tmp_path: Path
):
    pretending("complains")
    result = run(
        *("lab", "train", "chronos", "--config", recipe, "--out", tmp_path / "out"),
        *("--processes", "1"),
    )
    assert result.exit_code == 1
    assert "chronotick: chronos: model.width must be even" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("echo",), "echo: its plugin trains no weights"),
        (("chronos", "--config", "cloks"), "recipe 'cloks': no such file"),
        (("chronos", "--set", "prior.cycle=1"), "prior.cycle: there is no such key"),
        (("chronos", "--set", "steps"), "expected section.key=value"),
        (("chronoz",), "chronoz"),
    ],
)
def test_what_cannot_be_trained_is_told_first(
    run, tmp_path: Path, arguments: tuple[str, ...], says: str
):
    result = run("lab", "train", *arguments, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert says in result.stderr
    assert not (tmp_path / "out").exists()


def test_the_prior_is_shown(run):
    result = run("lab", "prior", "--set", "prior.cycles=false", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["cycles"] is False
    assert "cycle_period_s" in run("lab", "prior").stdout


def test_the_oracle_is_no_worse_than_the_filter_where_there_is_structure(run):
    shares = "prior.shares={cycle: 1, steady: 1, daily: 0, load: 0, mixed: 0}"
    small = ("prior.polls=[300, 300]", "prior.networks={dc: 1}", shares, "prior.servers=[1]")
    changes = [word for each in small for word in ("--set", each)]
    result = run("lab", "prior", "--oracle", "--worlds", "2", "--seed", "99", "--json", *changes)
    assert result.exit_code == 0
    told = json.loads(result.stdout)
    rows = {row["kind"]: row["ratio"] for row in told if row["who"] == "oracle"}
    assert set(rows) == {"cycle", "steady"}
    assert rows["steady"] == pytest.approx([1.0] * 4)
    assert max(rows["cycle"]) < 1.0
