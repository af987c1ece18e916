"""A job's hash is that of everything its rows depend on, and of nothing else."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from chronotick.config.schema import Workers
from chronotick.lab.comparing import jobs
from chronotick.lab.comparing.contestants import Contestant, contestants, digest_of, everyone
from chronotick.lab.comparing.grids import Grid
from chronotick.lab.comparing.jobs import Job, Loaded, execute, unanswered
from chronotick.lab.comparing.windows import ARRAYS, WindowWriter
from chronotick.plugin.contract import Checkpoint, Environment, ModelSpec
from chronotick.plugin.registry import Plugins
from chronotick.plugin.weights import CONFIG

S = 1_000_000_000
GRID = Grid(step_ns=S, context=4, steps=(1, 2))
LABEL = {"trace": "t", "host": "h", "kind": "series", "unit": "MW", "unit_per_s": 2.0, "zero": 1.0}

MakePlugins = Callable[..., Plugins]
Spec = Callable[..., ModelSpec]


def found(plugins: Plugins, name: str = "echo", **workers: object) -> Contestant:
    compared = contestants([name], plugins, Workers(**workers))
    return next(each for each in compared if each.name == name)


def job(contestant: Contestant, **more: object) -> Job:
    told = {"directory": Path("/w"), "journals": Path("/j"), "key": "k"}
    told |= {"grid": GRID, "label": LABEL}
    return Job(contestant=contestant, **told | {"start": 0, "stop": 3} | more)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A directory of weights: settings and tensors, the latter none."""
    folder = tmp_path / "weights"
    folder.mkdir()
    (folder / CONFIG).write_text("{}")
    (folder / "model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
    return folder


@pytest.fixture
def weighty(make_plugins: MakePlugins, spec_of: Spec) -> Plugins:
    given = Checkpoint(repository="org/nowhere", licence="MIT")
    return make_plugins(spec_of("weighty", "chronotick.plugin.echo:Echo", checkpoint=given))


def test_whatever_rows_depend_on_changes_the_hash(plugins: Plugins):
    echo = found(plugins)
    names = [
        job(echo).name,
        job(found(plugins, "hold")).name,
        job(echo, key="other windows").name,
        job(echo, start=1).name,
        job(echo, stop=4).name,
        job(echo, season=24.0).name,
        job(echo, label=LABEL | {"trace": "other"}).name,
        job(echo, label=LABEL | {"unit_per_s": 3.0}).name,
        job(found(plugins, checkpoints={"echo": "late=0"})).name,
        job(found(plugins, threads=7)).name,
        job(contestants(["echo"], plugins, Workers(), "cuda:0")[-1]).name,
    ]
    assert len(set(names)) == len(names)


def test_nothing_else_changes_it(plugins: Plugins, tmp_path: Path):
    echo = found(plugins)
    same = {
        job(echo).name,
        job(echo, directory=tmp_path).name,
        job(echo, most_batch=1).name,
        job(replace(echo, workers=Workers(environments=tmp_path))).name,
        job(found(plugins, start_timeout_seconds=77)).name,
        job(pickle.loads(pickle.dumps(echo))).name,  # noqa: S301 - our own
    }
    assert len(same) == 1


def test_a_hash_is_the_same_in_every_process(plugins: Plugins):
    """It is of content, not of what a process has hashed: nobody asks PYTHONHASHSEED."""
    told = json.dumps(dict(found(plugins).identity))
    assert json.loads(told) == dict(found(plugins).identity)
    assert len(job(found(plugins)).name) == 32


def test_another_version_of_a_plugin_is_another_model(make_plugins: MakePlugins, spec_of: Spec):
    spec = spec_of("theirs", "chronotick.plugin.echo:Echo")
    versions = [make_plugins(spec, origin=f"somebody {number}") for number in ("1.0", "1.1")]
    before, after = (found(each, "theirs") for each in versions)
    assert (before.identity["plugin"], before.identity["version"]) == ("somebody", "1.0")
    assert job(before).name != job(after).name


def test_another_lock_is_another_model(
    make_plugins: MakePlugins, spec_of: Spec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Of an environment its lock counts, not whether or where it is built."""
    package = tmp_path / "locked_plugin"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "toy.in").write_text("numpy\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    recipe = Environment(recipe="toy", package="locked_plugin", python=">=3.10")
    spec = replace(spec_of("toy", "locked_plugin:Toy"), environment=recipe)
    names = []
    for number in ("0", "1", "0"):
        digest = number * 64
        (package / "toy.lock").write_text(f"numpy==2.{number}.0 \\\n    --hash=sha256:{digest}\n")
        for folder in ("here", "there"):
            toy = found(make_plugins(spec), "toy", environments=tmp_path / folder)
            names.append(job(toy).name)
    first, second, third = names[::2]
    assert first != second
    assert first == third
    assert names[::2] == names[1::2]


def test_weights_are_known_by_their_content(weighty: Plugins, weights: Path, tmp_path: Path):
    def named(directory: Path) -> str:
        return job(found(weighty, "weighty", checkpoints={"weighty": str(directory)})).name

    before = named(weights)
    moved = tmp_path / "elsewhere"
    weights.rename(moved)
    assert named(moved) == before
    os.utime(moved / CONFIG, ns=(1, 1))
    assert named(moved) == before
    (moved / CONFIG).write_text('{"changed": true}')
    assert named(moved) != before


def test_names_of_files_are_part_of_weights(weights: Path):
    before = digest_of(weights)
    (weights / "model.safetensors").rename(weights / "other.safetensors")
    assert digest_of(weights) != before


def test_yardsticks_are_always_compared_and_nobody_twice(plugins: Plugins):
    names = [
        each.name for each in contestants(["echo", "kalman", "line", "echo"], plugins, Workers())
    ]
    assert names == ["kalman", "naive", "drift", "seasonal", "hold", "line", "echo"]
    assert everyone(["echo", "kalman"]) == tuple(names)


@pytest.fixture
def on_disk(tmp_path: Path) -> Path:
    """Three windows of four samples, the last of which holds nothing."""
    directory = tmp_path / "k"
    writer = WindowWriter(directory / ARRAYS, 3, 4, 2)
    for number in (0, 1):
        known = {"values": np.arange(4.0) + number, "noise": np.ones(4), "context": 4}
        writer.write(number, {**known, "trend": np.zeros(6)})
    writer.close()
    writer.column("origin_s", np.array([1.0, 2.0, 3.0]))
    writer.column("measured", np.full((3, 2), 0.5))
    return directory


def test_an_outcome_can_be_sent(plugins: Plugins, on_disk: Path):
    outcome = execute(job(found(plugins, "hold"), directory=on_disk))
    back = pickle.loads(pickle.dumps(outcome))  # noqa: S301 - our own
    rows = back.rows.to_pandas()
    pd.testing.assert_frame_equal(rows, outcome.rows.to_pandas())
    assert rows["status"].tolist()[:4] == ["ok"] * 4
    assert rows["status"].tolist()[4:] == ["0 measurements in the context, not 1"] * 2
    np.testing.assert_array_equal(rows["forecast"][:4], np.array([3, 3, 4, 4]) * 2.0 + 1.0)
    assert set(rows["job"]) == {outcome.name}


def test_a_yardstick_without_a_forecast_says_so(plugins: Plugins, on_disk: Path):
    for name in ("kalman", "drift", "naive"):
        rows = execute(job(found(plugins, name), directory=on_disk)).rows.to_pandas()
        assert (rows["forecast"].isna() == (rows["status"] != "ok")).all(), name


def test_a_job_that_was_not_done_has_rows_that_say_why(plugins: Plugins, on_disk: Path):
    outcome = unanswered(job(found(plugins), directory=on_disk), "nobody came")
    assert not outcome.complete
    rows = outcome.rows.to_pandas()
    assert (len(rows), set(rows["status"])) == (6, {"nobody came"})


def test_loaded_models_give_way_to_others(plugins: Plugins):
    held = Loaded(room=1)
    sessions = {}
    try:
        for name in ("echo", "short", "echo"):
            with held.session(found(plugins, name), 16) as (session, _size):
                sessions.setdefault(name, []).append(session)
    finally:
        held.close()
    assert sessions["echo"][0] is not sessions["echo"][1]


def test_a_model_that_is_in_use_is_not_ended(plugins: Plugins, on_disk: Path):
    held = Loaded(room=1)
    try:
        with held.session(found(plugins), 16) as (session, _size):
            with held.session(found(plugins, "hold"), 16):
                pass
            assert session.peak_memory_bytes > 0  # its process is still there
        with held.session(found(plugins), 16) as (again, _size):
            assert again is session
    finally:
        held.close()


def test_unloading_twice_does_no_harm():
    jobs.unload()
    jobs.unload()
