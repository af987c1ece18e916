"""One model must never stop the others, whatever it does."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from chronotick.clock import Covariates
from chronotick.config.schema import Config, Predictor, Workers
from chronotick.daemon.prediction import PredictionLoop
from chronotick.daemon.timekeeper import Timekeeper
from chronotick.daemon.zoo import LocalModel, Zoo, names
from chronotick.lab import World
from chronotick.models import InProcessModel, ModelFailedError, as_batch
from chronotick.models.builtin import chronotick_models
from chronotick.plugin import ContextBatch, Forecast, ModelInfo, ModelSpec
from chronotick.plugin import echo as chronotick_echo
from chronotick.plugin.registry import Plugins, UnknownModel
from chronotick.workers.recipes import device_kind

SECOND = 1_000_000_000


class Faulty:
    """A model that does what its class attribute says."""

    def load(self, checkpoint: str, device: str, threads: int) -> ModelInfo:
        return ModelInfo(checkpoint="", device="cpu", max_context=64, max_horizon=64)

    def forecast(self, batch: ContextBatch, horizon: int, quantiles: Sequence[float]) -> Forecast:
        raise RuntimeError("cannot think")

    def close(self) -> None:
        pass


class WrongShape(Faulty):
    def forecast(self, batch: ContextBatch, horizon: int, quantiles: Sequence[float]) -> Forecast:
        return Forecast(mean=np.zeros((1, horizon + 1)))


def spec(name: str, worker: str) -> ModelSpec:
    return ModelSpec(name=name, title=name, worker=worker, licence="MIT", output="point")


def plugins(*extra: ModelSpec) -> Plugins:
    models = {each.name: each for each in (*chronotick_models(), *extra)}
    return Plugins(models=models, origins=dict.fromkeys(models, "chronotick 0.1.0"))


def config(*models: str) -> Config:
    return Config.model_validate(
        {"short_term": {"models": models}, "long_term": {"enabled": False}}
    )


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> str:
    """Name under which this module can be imported by a specification."""
    import sys

    monkeypatch.setitem(sys.modules, "faulty_models", sys.modules[__name__])
    return "faulty_models"


async def test_a_model_that_cannot_be_loaded_is_reported_and_the_others_go_on(tmp_path, caplog):
    zoo = Zoo(plugins(spec("boom", "no_such_module:X")), tmp_path)
    with caplog.at_level(logging.ERROR, "chronotick.models"):
        await zoo.use(config("line", "boom"))
    assert [m.spec.name for m in zoo.local(config("line", "boom").short_term)] == ["kalman", "line"]
    assert zoo.report()["boom"]["state"] == "broken"
    assert "no_such_module" in zoo.report()["boom"]["last_error"]
    assert not zoo.ready
    await zoo.use(config("line"))
    assert set(zoo.report()) == {"kalman", "line"}
    assert zoo.ready


async def test_an_unknown_model_changes_nothing(tmp_path):
    zoo = Zoo(plugins(), tmp_path)
    await zoo.use(config("line"))
    with pytest.raises(UnknownModel, match="line"):
        await zoo.use(config("lines"))
    assert set(zoo.report()) == {"kalman", "line"}


async def test_somebody_elses_model_never_runs_in_the_daemon(tmp_path):
    """It might hang, and nothing could end it: it gets a worker on the daemon's interpreter."""
    foreign = spec("foreign", "chronotick.models.physical:Hold")
    found = plugins(foreign)
    origins = {**found.origins, "foreign": "some-plugin 1.0"}
    zoo = Zoo(Plugins(models=found.models, origins=origins), tmp_path)
    await zoo.use(config("foreign"))
    try:
        assert [m.spec.name for m in zoo.local(config("foreign").short_term)] == ["kalman"]
        assert [m.spec.name for m in zoo.remote(config("foreign").short_term)] == ["foreign"]
    finally:
        await zoo.close()


def test_the_baseline_is_a_member_of_every_loop_that_runs():
    assert names(Predictor(models=["line"])) == ["kalman", "line"]
    assert names(Predictor(models=["line", "kalman"])) == ["kalman", "line"]
    assert names(Predictor(enabled=False)) == []


def warmed_up() -> Timekeeper:
    keeper, live = Timekeeper(Config()), World.from_preset("loopback-calm", seed=1).live()
    for second in range(1, 60):
        exchange = live.exchange(0, second * SECOND)
        assert exchange is not None
        keeper.measure(exchange.measurement())
    return keeper


@pytest.mark.parametrize("fault", ["Faulty", "WrongShape"])
async def test_a_model_that_fails_costs_only_its_own_forecast(here, fault, caplog):
    """One exception in a forecast once ended the prediction loop for all models."""
    keeper = warmed_up()
    bad = InProcessModel(spec("bad", f"{here}:{fault}"))
    models = [LocalModel(bad)]
    models += [LocalModel(InProcessModel(each)) for each in chronotick_models()]
    loop = PredictionLoop(
        "short_term",
        Predictor(),
        keeper,
        covariates=Covariates(16),
        read_raw_ns=lambda: 60 * SECOND,
        local=models,
        remote=[],
    )
    loop.forecast(models, Predictor())
    loop.forecast(models, Predictor())
    target = keeper.target(61 * SECOND)
    assert target is not None
    assert {m.model for m in target.fused.members} == {"kalman", "hold", "line"}
    assert (bad.requests, bad.answers) == (2, 0)
    assert bad.last_error
    assert models[1].model.answers == 2
    assert models[0].ledger.page("short_term").taken_s is None
    assert models[1].ledger.page("short_term").taken_s is not None


def test_an_answer_that_is_no_forecast_is_refused(here):
    model = InProcessModel(spec("bad", f"{here}:WrongShape"))
    keeper = warmed_up()
    window = keeper.window(Predictor(), 60 * SECOND)
    assert window is not None
    with pytest.raises(ModelFailedError, match="shape"):
        model.forecast(as_batch(window, 64), 4, (0.5,))


async def test_a_model_of_a_plugin_that_is_still_read_is_used_when_it_is_known(tmp_path):
    late = spec("late", "chronotick.models.physical:Hold")
    known = plugins()
    zoo = Zoo(replace(known, pending=("slow-plugin",)), tmp_path)
    await zoo.use(config("line", "late"))
    assert zoo.report()["late"]["state"] == "waiting"
    assert "slow-plugin" in zoo.report()["late"]["detail"]
    assert not zoo.ready
    assert zoo.learn(plugins(late), config("line", "late"))
    assert zoo.report()["late"]["state"] == "ready"
    assert zoo.ready


async def test_a_model_that_no_plugin_provided_in_the_end_is_broken(tmp_path):
    zoo = Zoo(replace(plugins(), pending=("slow-plugin",)), tmp_path)
    await zoo.use(config("lines"))
    assert not zoo.learn(plugins(), config("lines"))
    assert zoo.report()["lines"]["state"] == "broken"
    assert "Did you mean line" in zoo.report()["lines"]["last_error"]
    await zoo.use(config("line"))
    assert set(zoo.report()) == {"kalman", "line"}


@pytest.mark.skipif(device_kind("cuda") == "cuda", reason="this machine has an NVIDIA GPU")
async def test_without_a_gpu_models_for_one_use_the_cpu_and_say_so(tmp_path, caplog):
    remote = replace(chronotick_echo.chronotick_models()[0], name="large")
    zoo = Zoo(plugins(remote), Path(tempfile.mkdtemp(prefix="ct-", dir=tmp_path.parent)))
    wanted = config("large").model_copy(
        update={"workers": Workers.model_validate({"overrides": {"large": {"device": "cuda:1"}}})}
    )
    try:
        await zoo.use(wanted)
        assert "no NVIDIA driver" in zoo.remarks["large"]
        assert zoo.report()["large"]["remark"] == zoo.remarks["large"]
        assert "large: device cuda:1 is configured" in caplog.text
    finally:
        await zoo.close()
