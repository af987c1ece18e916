"""Replays with real workers: their answers count from when they would have been there."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chronotick.config.schema import Config
from chronotick.lab import World
from chronotick.lab.recordings import Arrival, Recording
from chronotick.lab.replaying import Estimate, Excerpt, ModelUnavailableError, Replay, Summary
from chronotick.models.builtin import chronotick_models
from chronotick.plugin import echo
from chronotick.plugin.contract import CURRENT_INTERPRETER, ModelSpec
from chronotick.plugin.registry import Plugins

SECOND = 1_000_000_000
ECHO = echo.chronotick_models()[0]


def recorded() -> Recording:
    live = World.from_preset("dc-calm", seed=3).live()
    exchanges = [live.exchange(0, (1 + 16 * n) * SECOND) for n in range(20)]
    arrivals = [Arrival(each.t4_ns, each.measurement()) for each in exchanges if each]
    return Recording(path="test", format="a world", arrivals=tuple(arrivals))


def plugins(*specs: ModelSpec) -> Plugins:
    models = {each.name: each for each in (*chronotick_models(), *specs)}
    return Plugins(models=models, origins=dict.fromkeys(models, "chronotick 0"))


def config(switches: str = "", **short_term: object) -> Config:
    """The echo model alone, in the short-term loop; ``switches`` are its faults."""
    asked = {"models": ["echo"], "inference_interval": 10, "timeout_seconds": 20}
    return Config.model_validate(
        {
            "short_term": asked | short_term,
            "long_term": {"enabled": False},
            "workers": {
                "max_duty": 64,
                "checkpoints": {"echo": switches} if switches else {},
            },
        }
    )


def replayed(config: Config, spec: ModelSpec = ECHO) -> tuple[list[Estimate], Summary]:
    with Replay(recorded(), config, Excerpt(), plugins(spec)) as running:
        estimates = list(running)
        assert running.summary is not None
        return estimates, running.summary


def test_a_worker_is_really_asked_at_virtual_instants():
    estimates, summary = replayed(config())
    told = summary.models["echo"]
    assert told.where.startswith("worker")
    assert 300 / 10 <= told.asked <= 300 / 10 + 20 + 2  # every 10 s, and at 20 measurements
    assert told.answered == told.asked
    assert "echo" in {member.model for member in estimates[-1].members}


def test_virtual_time_passes_while_a_worker_computes():
    """Each answer takes half a second, and the next question waits as long as its rest lasts."""
    slow = config("late=0.5").model_copy(
        update={"workers": config("late=0.5").workers.model_copy(update={"max_duty": 0.02})}
    )
    _, summary = replayed(slow)
    # 0.5 s at a fiftieth of a core: one question in 25 s.
    assert 8 <= summary.models["echo"].asked <= 13


def test_a_missed_deadline_costs_what_it_costs_live():
    """Nothing of an answer that came too late is used, and the pauses grow."""
    estimates, summary = replayed(config("late=0.4", timeout_seconds=0.1))
    told = summary.models["echo"]
    assert told.answered == 0
    assert 3 <= told.asked <= 7  # after 20 s, 40 s, 80 s, ...
    assert {member.model for member in estimates[-1].members} == {"kalman"}


def test_a_model_that_cannot_start_ends_the_replay():
    broken = replace(
        ECHO, worker="chronotick.no_such_module:Model", environment=CURRENT_INTERPRETER
    )
    with pytest.raises(ModelUnavailableError, match=r"echo does not run: .*never goes on without"):
        replayed(config(), broken)


def test_a_worker_that_dies_is_waited_for():
    _, summary = replayed(config("crash-after=12"))
    assert summary.models["echo"].answered > 12
    assert any("next start in" in warning for warning in summary.warnings)
