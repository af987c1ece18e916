"""Loops and real workers: a slow model delays nobody, and nobody is starved."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from chronotick.clock import Covariates
from chronotick.config.schema import Config
from chronotick.daemon.prediction import PredictionLoop
from chronotick.daemon.punctuality import punctuality, troubles
from chronotick.daemon.timekeeper import Timekeeper
from chronotick.daemon.zoo import RemoteModel, Zoo
from chronotick.lab import World
from chronotick.models.builtin import chronotick_models
from chronotick.plugin import echo
from chronotick.plugin.registry import Plugins

SECOND = 1_000_000_000
ECHO = echo.chronotick_models()[0]
FAST = {"inference_interval": 0.05, "step": 1, "prediction_horizon": 4}


@pytest.fixture
def runtime_dir() -> Iterator[Path]:
    # pytest's own tmp_path is too long for the path of a Unix socket.
    directory = Path(tempfile.mkdtemp(prefix="ct-"))
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(scope="module")
def keeper() -> Timekeeper:
    kept, live = Timekeeper(Config()), World.from_preset("loopback-calm", seed=1).live()
    for second in range(1, 60):
        exchange = live.exchange(0, second * SECOND)
        assert exchange is not None
        kept.measure(exchange.measurement())
    return kept


class Running:
    """Loops over a zoo of echo models, one for each entry of ``checkpoints``."""

    def __init__(self, zoo: Zoo, config: Config, keeper: Timekeeper) -> None:
        self.zoo = zoo
        self.config = config
        seen = Covariates(16)
        seen.record(58 * SECOND, {"load": 0.5, "temperature_c": 40.0})
        self.loops = [
            PredictionLoop(
                name,
                predictor,
                keeper,
                read_raw_ns=lambda: 60 * SECOND,
                covariates=seen,
                local=zoo.local(predictor),
                remote=zoo.remote(predictor),
            )
            for name, predictor in (
                ("short_term", config.short_term),
                ("long_term", config.long_term),
            )
            if predictor.enabled
        ]

    def model(self, name: str) -> RemoteModel:
        return next(m for m in self.zoo.remote(self.config.short_term) if m.spec.name == name)

    def answers(self, name: str, loop: str = "short_term") -> int:
        """Latencies known of a model: as many as it was asked, up to what is kept."""
        return len(self.model(name).ledger.page(loop).latencies_s)


@asynccontextmanager
async def running(
    runtime_dir: Path,
    keeper: Timekeeper,
    checkpoints: dict[str, str],
    uses: tuple[str, ...] = (),
    **sections: dict[str, object],
) -> AsyncIterator[Running]:
    models = [*checkpoints]
    asked = {"models": models, **FAST}
    given = {name: switches for name, switches in checkpoints.items() if switches}
    config = Config.model_validate(
        {
            "short_term": asked | sections.get("short_term", {}),
            "long_term": asked | sections.get("long_term", {"enabled": False}),
            "workers": {"max_duty": 64, "checkpoints": given} | sections.get("workers", {}),
        }
    )
    specs = {each.name: each for each in chronotick_models()}
    specs |= {name: replace(ECHO, name=name, covariates=uses) for name in models}
    zoo = Zoo(Plugins(models=specs, origins=dict.fromkeys(specs, "chronotick 0")), runtime_dir)
    tasks: list[asyncio.Task[None]] = []
    try:
        await zoo.use(config)
        made = Running(zoo, config, keeper)
        tasks += [asyncio.create_task(loop.run()) for loop in made.loops]
        yield made
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await zoo.close()


async def until(condition: Callable[[], bool], timeout_s: float = 40.0) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "the condition did not come true"
        await asyncio.sleep(0.01)


async def test_a_slow_model_does_not_delay_a_fast_one(runtime_dir, keeper):
    """The slow one is in the middle of a single answer while the fast one gives ten."""
    async with running(runtime_dir, keeper, {"slow": "late=20", "fast": ""}) as it:
        slow = it.model("slow")
        await until(lambda: len(slow.ledger.page("short_term").asked_s) == 1)
        already = it.answers("fast")
        await until(lambda: it.answers("fast") >= already + 10)
        assert it.answers("slow") == 0


async def test_a_model_is_given_the_covariates_it_uses(runtime_dir, keeper):
    async with running(runtime_dir, keeper, {"warm": "needs=load"}, uses=("load",)) as it:
        await until(lambda: it.answers("warm") >= 1)


async def test_a_model_that_uses_none_is_given_none(runtime_dir, keeper):
    async with running(runtime_dir, keeper, {"cold": "needs=load"}) as it:
        await until(lambda: it.model("cold").worker.state.failures >= 1)
        assert it.answers("cold") == 0


async def test_two_loops_share_one_worker_in_turn(runtime_dir, keeper):
    """With one waiting place, the loop that asks more often would take it again and again."""
    long_term = {"timeout_seconds": 30}
    async with running(
        runtime_dir,
        keeper,
        {"echo": "late=0.1"},
        short_term={"timeout_seconds": 30},
        long_term=long_term,
    ) as it:
        await until(lambda: it.answers("echo", "long_term") >= 5)
        short, long = it.answers("echo"), it.answers("echo", "long_term")
        assert abs(short - long) <= 2
        assert it.model("echo").worker.state.deadline_misses == 0


async def test_there_is_never_more_than_one_question_under_way(runtime_dir, keeper):
    async with running(
        runtime_dir,
        keeper,
        {"echo": "late=0.05"},
        short_term={"timeout_seconds": 0.01},  # every answer is late
        long_term={"timeout_seconds": 30},
    ) as it:
        desk = it.model("echo").worker._desk
        waited = False

        def watch() -> bool:
            nonlocal waited
            waited = waited or desk.waiting is not None
            return it.answers("echo", "long_term") >= 20

        await until(watch)
        assert not waited
        assert desk.tally.late_replies >= 1


async def test_missed_deadlines_are_seen_through_and_make_it_asked_less_often(runtime_dir, keeper):
    terms = {"timeout_seconds": 0.1, "inference_interval": 0.2}
    async with running(runtime_dir, keeper, {"echo": "late=0.3"}, short_term=terms) as it:
        page = it.model("echo").ledger.page("short_term")
        await until(lambda: len(page.asked_s) >= 4)
        pauses = [b - a for a, b in zip(page.asked_s, list(page.asked_s)[1:], strict=False)]
        assert pauses[0] >= 0.4
        assert pauses[1] >= 0.8
        assert pauses[2] >= 1.6
        assert min(page.latencies_s) >= 0.3  # late answers tell how long it takes
        told = punctuality(it.zoo, it.config)["echo"]
        assert told["loops"]["short_term"]["deadline_misses"] >= 3
        assert told["loops"]["short_term"]["last_forecast_age_s"] is None
        assert "too slow for its deadline of 0.1 s" in told["advice"][0]
        assert "short_term.overrides.echo.timeout_seconds: " in told["advice"][0]


async def test_what_answers_take_decides_how_often_a_model_is_asked(runtime_dir, keeper):
    async with running(runtime_dir, keeper, {"echo": "late=0.1"}, workers={"max_duty": 0.25}) as it:
        page = it.model("echo").ledger.page("short_term")
        await until(lambda: len(page.asked_s) >= 5)
        pauses = [b - a for a, b in zip(page.asked_s, list(page.asked_s)[1:], strict=False)]
        assert min(pauses) >= 0.4  # 0.1 s at a quarter of a core
        told = punctuality(it.zoo, it.config)["echo"]
        assert told["loops"]["short_term"]["effective_interval_s"] >= 0.4
        assert told["loops"]["short_term"]["last_forecast_age_s"] >= 0
        assert told["latency_median_ms"] >= 100
        assert told["latency_p90_ms"] >= told["latency_median_ms"]
        assert "short_term.overrides.echo.inference_interval: " in told["advice"][0]


async def test_one_models_terms_differ_from_the_loops(runtime_dir, keeper):
    overrides = {"rare": {"inference_interval": 3600}}
    async with running(
        runtime_dir, keeper, {"rare": "", "often": ""}, short_term={"overrides": overrides}
    ) as it:
        await until(lambda: it.answers("rare") == 1)
        already = it.answers("often")
        await until(lambda: it.answers("often") >= already + 5)
        assert it.answers("rare") == 1


@pytest.mark.parametrize(
    ("trigger", "expected"), [("measurement", 2), ("interval", 1), ("both", 2)]
)
async def test_the_trigger_says_what_a_measurement_sets_off(
    runtime_dir, keeper, trigger: str, expected: int
):
    terms = {"trigger": trigger, "inference_interval": 3600}
    overrides = {"marker": {"trigger": "measurement"}}
    async with running(
        runtime_dir, keeper, {"echo": "", "marker": ""}, short_term=terms | {"overrides": overrides}
    ) as it:
        await until(lambda: it.answers("echo") == it.answers("marker") == 1)
        it.loops[0].measured()
        await until(lambda: it.answers("marker") == 2)
        await until(lambda: it.answers("echo") >= expected)
        assert len(it.model("echo").ledger.page("short_term").asked_s) == expected


async def test_a_failure_after_the_deadline_is_no_latency(runtime_dir, keeper):
    """It would lower the median that decides how often the model is asked, and what is advised."""
    terms = {"timeout_seconds": 0.1, "inference_interval": 3600}
    async with running(runtime_dir, keeper, {"echo": "late=0.5,nan"}, short_term=terms) as it:
        model = it.model("echo")
        await until(lambda: model.ledger.page("short_term").misses == 1)
        await until(lambda: model.worker.state.late_replies == 1)
        await until(lambda: not model.turn.locked())
        assert it.answers("echo") == 0


async def test_a_mistake_of_ours_costs_one_turn_and_is_reported(
    runtime_dir, keeper, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("chronotick.daemon.prediction.MISTAKE_S", 0.01)
    async with running(runtime_dir, keeper, {"echo": ""}) as it:
        await until(lambda: it.answers("echo") >= 1)
        model, right = it.model("echo"), keeper.window

        def wrong(*_: object) -> None:
            raise ZeroDivisionError("by this test")

        with monkeypatch.context() as patched:
            patched.setattr(keeper, "window", wrong)
            patched.setattr(keeper, "forecast", wrong)  # the baseline needs no window
            local = it.zoo.local(it.config.short_term)[0]
            pages = [each.ledger.page("short_term") for each in (model, local)]
            await until(lambda: all("by this test" in page.mistake for page in pages))
            told = list(troubles(punctuality(it.zoo, it.config)))
            assert {name for name, _ in told} == {"echo", local.spec.name}
            assert "short_term: not asked, by a mistake of ours (ZeroDivisionError" in told[0][1]
        assert keeper.window == right
        before = [len(page.latencies_s) for page in pages]
        await until(lambda: all(len(p.latencies_s) > n for p, n in zip(pages, before, strict=True)))
        await until(lambda: not any(page.mistake for page in pages))


async def test_a_worker_that_dies_is_asked_again_when_it_is_back(runtime_dir, keeper):
    async with running(runtime_dir, keeper, {"echo": "crash-after=2"}) as it:
        worker = it.model("echo").worker
        await until(lambda: it.answers("echo") > 2)
        assert worker.state.restarts >= 1
