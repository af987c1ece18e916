"""Recommendations, on machines made of numbers and environments made of markers."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from chronotick.cli.main import chronotick
from chronotick.config.schema import Workers
from chronotick.config.shipped import purpose, shipped
from chronotick.daemon.machine import Machine
from chronotick.daemon.recommend import PREFERENCE, Judgement, recommend
from chronotick.plugin import Plugins, load_plugins
from chronotick.workers.distributions import MARKER
from chronotick.workers.inventory import installed

BIG = Machine(cores=16, memory_mb=64_000, gpus=(80_000.0,))
SMALL = Machine(cores=2, memory_mb=8000)

Provide = Callable[..., dict[str, str]]


@pytest.fixture(scope="module")
def plugins() -> Plugins:
    return load_plugins()


@pytest.fixture
def provide(plugins: Plugins, tmp_path: Path) -> Provide:
    """Environment variables of a user for whom models are ready: marked as built, with weights."""

    def ready(*models: str) -> dict[str, str]:
        config, checkpoints = Workers(environments=tmp_path), {}
        for model in models:
            for device in ("cpu", "cuda"):
                directory = installed(model, plugins, config, device).environment.directory
                assert directory is not None
                (directory / "bin").mkdir(parents=True, exist_ok=True)
                (directory / "bin" / "python").touch()
                (directory / MARKER).write_text('{"complete": true}')
            weights = tmp_path / f"{model}-weights"
            weights.mkdir(exist_ok=True)
            (weights / "config.json").write_text("{}")
            (weights / "model.safetensors").write_bytes(b"\x02\0\0\0\0\0\0\0{}")
            checkpoints[model] = str(weights)
        return {
            "CHRONOTICK_WORKERS__ENVIRONMENTS": str(tmp_path),
            "CHRONOTICK_WORKERS__CHECKPOINTS": json.dumps(checkpoints),
            "HF_HUB_CACHE": str(tmp_path / "hub"),
        }

    return ready


def of(name: str, judged: tuple[Judgement, ...]) -> Judgement:
    return next(item for item in judged if item.name == name)


def test_where_nothing_is_set_up_the_clock_runs_on_its_own_models(
    plugins: Plugins, provide: Provide
):
    best, *others = recommend(BIG, plugins, provide())
    assert best.name == PREFERENCE[-1]
    assert best.missing == best.against == ()
    assert {item.name for item in others} == set(PREFERENCE[:-1])
    assert all(item.missing for item in others)


@pytest.mark.parametrize(
    ("models", "machine", "name"),
    [
        (["ttm"], SMALL, "cpu_only_ttm"),
        (["chronos"], SMALL, "cpu_only_chronos"),
        (["chronos", "ttm"], SMALL, "hybrid_chronos_ttm"),
        (["chronos", "ttm", "toto"], BIG, "gpu_only_toto"),
        (["timesfm"], BIG, "gpu_only_timesfm"),
        (["chronos", "ttm", "toto", "timesfm", "time-moe"], BIG, "multi_device_full"),
        (["chronos", "ttm", "toto", "timesfm", "time-moe"], SMALL, "hybrid_chronos_ttm"),
        (["chronos", "ttm"], replace(SMALL, cores=1), "cpu_only_chronos"),
        (["chronos", "ttm"], replace(SMALL, memory_mb=600), "cpu_only_chronos"),
        (["chronos", "ttm"], replace(SMALL, memory_mb=100), PREFERENCE[-1]),
    ],
)
def test_the_most_able_one_that_fits_is_recommended(
    models: list[str], machine: Machine, name: str, plugins: Plugins, provide: Provide
):
    assert recommend(machine, plugins, provide(*models))[0].name == name


def test_each_obstacle_is_named_with_its_command(plugins: Plugins, provide: Provide):
    judged = recommend(SMALL, plugins, provide())
    hybrid = of("hybrid_chronos_ttm", judged)
    assert "ttm: environment not built. Run: chronotick envs sync ttm" in hybrid.missing
    assert not [each for each in hybrid.missing if "weights" in each]  # they come with plugins
    assert hybrid.against == ()
    toto = of("gpu_only_toto", judged)
    assert "toto: no weights here. Run: chronotick models pull toto" in toto.missing
    assert "no GPU for toto" in toto.against


def test_the_memory_of_the_gpu_counts(plugins: Plugins, provide: Provide):
    ready = provide("chronos", "ttm", "toto", "timesfm", "time-moe")
    judged = recommend(replace(BIG, gpus=(1300.0,)), plugins, ready)
    assert judged[0].name == "gpu_only_timesfm"
    (against,) = of("gpu_only_toto", judged).against
    assert against == "it needs about 1581 MiB of GPU 0 for toto, 1300 are free"
    assert recommend(replace(BIG, gpus=(None,)), plugins, ready)[0].name == PREFERENCE[0]


def test_a_model_of_another_machine_needs_nothing_here(plugins: Plugins, provide: Provide):
    remote = {"CHRONOTICK_WORKERS__REMOTE": '{"ttm": {"address": "tcp://gpu-host:7411"}}'}
    best = recommend(replace(SMALL, cores=1, memory_mb=100), plugins, provide() | remote)[0]
    assert best.name == "cpu_only_ttm"
    assert best.for_it == ("ttm: computed by tcp://gpu-host:7411",)


def test_a_model_that_is_not_installed_is_named(plugins: Plugins, provide: Provide):
    without = replace(
        plugins, models={name: m for name, m in plugins.models.items() if name != "ttm"}
    )
    judged = recommend(SMALL, without, provide())
    assert of("cpu_only_ttm", judged).missing == (
        "ttm: not installed. Run: pip install chronotick-ttm",
    )


def test_every_configuration_says_what_it_is_for():
    assert set(PREFERENCE) <= set(shipped())
    assert all(len(purpose(path)) > 20 for path in shipped().values())


def test_the_command_recommends_with_reasons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    target = tmp_path / "mine.yaml"
    done = CliRunner().invoke(chronotick, ["config", "recommend", "--out", str(target)])
    assert done.exit_code == 0, done.output
    assert f"recommended: {PREFERENCE[-1]}" in done.stdout
    assert f"chronotick run --config {target}" in done.stdout
    assert "within reach: cpu_only_ttm" in done.stdout
    assert target.read_text() == shipped()[PREFERENCE[-1]].read_text()
    again = CliRunner().invoke(chronotick, ["config", "recommend", "--out", str(target)])
    assert again.exit_code == 1
    asked = CliRunner().invoke(chronotick, ["config", "recommend", "--json"])
    assert json.loads(asked.stdout)["recommended"] == PREFERENCE[-1]
