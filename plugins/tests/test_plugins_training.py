"""Training in the models' own environments: it learns, and nothing half-written is ever found."""

from __future__ import annotations

import io
import json
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest

from chronotick.plugin import ModelSpec, load_plugins
from chronotick.plugin.training.frames import Batch, Header, write_batch, write_header
from chronotick.workers import Lease, command

pytestmark = [pytest.mark.environment, pytest.mark.timeout(600)]

MODELS = ("chronos", "ttm")
SMALL: dict[str, dict[str, Any]] = {
    "chronos": {
        "d_model": 32,
        "d_ff": 64,
        "d_kv": 8,
        "num_layers": 1,
        "num_decoder_layers": 1,
        "input_patch_size": 32,
        "dropout_rate": 0.1,
    },
    "ttm": {
        "d_model": 16,
        "decoder_d_model": 8,
        "adaptive_patching_levels": 0,
        "num_layers": 1,
        "dropout": 0.1,
    },
}
CONTEXT, REACH, SIZE, VALIDATION = 480, 64, 32, 2


def batch(number: int, *, validation: bool = False, size: int = SIZE) -> Batch:
    """Drifts and sines with noise and gaps; the filter expects what it knew last."""
    rng = np.random.default_rng([number, validation])
    steps = np.arange(CONTEXT + REACH) - CONTEXT
    amplitude = 1e-6 * 10 ** rng.uniform(-1, 1, (size, 1))
    phase, period = rng.uniform(0, 2 * np.pi, (size, 1)), rng.uniform(300, 600, (size, 1))
    truth = amplitude * np.sin(2 * np.pi * steps / period + phase)
    truth += amplitude * rng.uniform(-2, 2, (size, 1)) * steps / CONTEXT
    truth -= truth[:, CONTEXT - 1 : CONTEXT]
    values = truth[:, :CONTEXT] + 1e-8 * rng.standard_normal((size, CONTEXT))
    values[rng.random(values.shape) < 0.2] = np.nan
    values[:, 0] = truth[:, 0]
    values[::2, -5:] = np.nan
    target = truth[:, CONTEXT:].astype(np.float32)
    target[:, -1] = np.nan
    return Batch(
        values=values.astype(np.float32),
        noise=np.where(np.isfinite(values), 1e-8, np.nan).astype(np.float32),
        target=target,
        expected=np.zeros_like(target),
        sigma=np.repeat(amplitude, REACH, axis=1).astype(np.float32),
        step_s=np.full(size, 16.0),
        trend=np.outer(amplitude**2, (1.0, 0.0, 0.0, 0.0)),
        kind=np.arange(size, dtype=np.int32) % 2,
        validation=validation,
    )


@dataclass(frozen=True)
class Ended:
    """How a training ended, and what it said."""

    code: int
    events: list[dict[str, Any]]
    log: str

    @property
    def error(self) -> str:
        last = self.events[-1]
        return last["message"] if last["event"] == "error" else ""

    def of(self, event: str) -> list[dict[str, Any]]:
        return [each for each in self.events if each["event"] == event]


@dataclass(frozen=True)
class Course:
    """A training that can be run, in parts too."""

    line: list[str]
    model: str
    out: Path
    training: dict[str, Any]

    def beginning(self, *, resume: bool = False) -> bytes:
        recipe = {"model": SMALL[self.model], "training": self.training}
        header = Header(
            model=self.model,
            recipe=recipe,
            out=str(self.out),
            device="cpu",
            context=CONTEXT,
            reach=REACH,
            validation=VALIDATION,
            kinds=("calm", "cycle"),
            resume=resume,
        )
        stream = io.BytesIO()
        write_header(stream, header)
        for number in range(VALIDATION):
            write_batch(stream, batch(number, validation=True))
        return stream.getvalue()

    def run(
        self,
        batches: Iterator[int] | range,
        *,
        resume: bool = False,
        begin: Callable[[], None] | None = None,
    ) -> Ended:
        stream = io.BytesIO()
        for number in batches:
            write_batch(stream, batch(number))
        content = self.beginning(resume=resume) + stream.getvalue()
        return self.run_with(content, begin=begin)

    def run_with(self, content: bytes, *, begin: Callable[[], None] | None = None) -> Ended:
        done = subprocess.run(
            self.line, input=content, capture_output=True, check=False, preexec_fn=begin
        )
        events = [json.loads(line) for line in done.stdout.splitlines()]
        return Ended(done.returncode, events, done.stderr.decode())

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        """A training that is fed by the test, and killed at the end."""
        pipe = subprocess.PIPE
        process = subprocess.Popen(self.line, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL)
        try:
            yield process
        finally:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                with suppress(BrokenPipeError):
                    stream.close()

    def weights(self) -> bytes:
        return (self.out / "model.safetensors").read_bytes()

    def left(self) -> set[str]:
        return {path.name for path in self.out.glob("*")} if self.out.exists() else set()


@pytest.fixture
def course(environment_of: Callable[[ModelSpec], Lease], tmp_path: Path) -> Callable[..., Course]:
    """Prepare a training of a model into ``tmp_path / name``."""

    def prepared(model: str, name: str = "out", **training: object) -> Course:
        spec = load_plugins().find(model)
        line = command(environment_of(spec), "chronotick.plugin.training", spec.trainer)
        settings = {"steps": 6, "validate_every": 2, "warm_up_steps": 2, **training}
        return Course(line, model, tmp_path / name, settings)

    return prepared


@pytest.mark.parametrize("model", MODELS)
def test_it_learns_and_a_worker_forecasts_with_what_it_wrote(
    model: str, course: Callable[..., Course], chronotick_model, ask_inside
):
    this = course(
        model, steps=150, validate_every=50, learning_rate=5e-3, average=0.9, target_limit=20
    )
    ended = this.run(range(150))
    assert ended.code == 0, ended.log
    assert ended.events[0] == {
        "event": "started",
        "step": 0,
        "parameters": ended.events[0]["parameters"],
        "device": "cpu",
    }
    assert ended.events[-1] == {"event": "saved", "directory": str(this.out)}
    validations = ended.of("validation")
    assert [each["step"] for each in validations] == [50, 100, 150]
    assert validations[-1]["loss"] < 0.9 * validations[0]["loss"]
    assert ended.of("step")[-1]["of"] == 150
    assert this.left() - {"generation_config.json"} == {
        "config.json",
        "model.safetensors",
        "README.md",
        "training.json",
    }
    record = json.loads((this.out / "training.json").read_text())
    assert (record["steps"], record["finished"]) == (150, "all steps done")
    assert record["parameters"] == ended.events[0]["parameters"]
    assert record["stored"] == "float16"
    assert record["recipe"]["training"] == this.training
    card = (this.out / "README.md").read_text()
    assert "| cycle | 64 |" not in card  # nothing is known of the last step
    assert "| cycle | 16 |" in card
    loaded = chronotick_model(model, checkpoint=str(this.out))
    assert loaded.info.parameters == record["parameters"]
    assert (loaded.info.max_context, loaded.info.max_horizon) == (CONTEXT, REACH)
    context = batch(7).values[:4].astype(float)
    ask = partial(ask_inside(model), "ours", checkpoint=str(this.out), values=context.tolist())
    forecast = np.array(ask(horizon=REACH, levels=[0.025, 0.5, 0.975]))
    assert np.isfinite(forecast).all()


@pytest.mark.parametrize("model", MODELS)
def test_a_resumed_training_gives_the_weights_of_one_that_was_never_interrupted(
    model: str, course: Callable[..., Course]
):
    """Between two validations, with dropout, a running average and momentum."""
    whole, parts = (course(model, name, average=0.5) for name in ("whole", "parts"))
    assert whole.run(range(6)).code == 0
    first = parts.run(range(3))
    assert first.code == 1
    assert first.error == "the examples ended after 3 of 6 steps. Go on with --resume"
    second = parts.run(range(3, 6), resume=True)
    assert second.code == 0
    assert second.events[0]["event"] == "resumed"
    assert second.events[0]["step"] == 3
    assert parts.weights() == whole.weights()
    assert "training-state.pt" not in parts.left()


def test_early_stopping_keeps_the_best_weights(course: Callable[..., Course]):
    this = course("ttm", steps=100, validate_every=1, patience=2, learning_rate=0.3)
    ended = this.run(range(100))
    assert ended.code == 0
    record = json.loads((this.out / "training.json").read_text())
    assert record["finished"] == "no better for 2 validations"
    losses = [each["loss"] for each in ended.of("validation")]
    assert record["best_step"] == 1 + int(np.argmin(losses)) == record["steps"] - 2
    assert record["validation"]["loss"] == min(losses)


def test_a_loss_that_is_no_number_ends_it_and_writes_nothing(course: Callable[..., Course]):
    this = course("ttm", learning_rate=1e30, warm_up_steps=0, validate_every=5)
    ended = this.run(range(6))
    assert ended.code == 1
    assert "the loss or its gradient is no number at step 1" in ended.error
    assert "Lower training.learning_rate" in ended.error
    assert this.left() == set()


def feed(process: subprocess.Popen[bytes], beginning: bytes, batches: Iterable[int]) -> None:
    """Write batches for as long as somebody reads them."""
    with suppress(BrokenPipeError):
        process.stdin.write(beginning)
        for number in batches:
            write_batch(process.stdin, batch(number))


def until(process: subprocess.Popen[bytes], event: str) -> dict[str, Any]:
    return next(told for line in process.stdout if (told := json.loads(line))["event"] == event)


def test_an_interrupted_training_goes_on_where_it_was(course: Callable[..., Course]):
    this = course("ttm", steps=10_000, validate_every=100_000)
    with this.running() as process:
        thread = Thread(target=feed, args=(process, this.beginning(), count()))
        thread.start()
        until(process, "step")
        process.send_signal(signal.SIGINT)
        said = until(process, "error")["message"]
        assert process.wait() == 1
        thread.join()
    assert this.left() == {"training-state.pt"}
    resumed = this.run(range(0), resume=True)
    step = resumed.events[0]["step"]
    assert resumed.events[0]["event"] == "resumed"
    assert said == f"interrupted after {step} of 10000 steps. Go on with --resume"


@pytest.mark.parametrize("delay_s", [0.0, 0.02, 0.05])
def test_killed_while_it_writes_it_leaves_whole_weights_or_none(
    course: Callable[..., Course], ask_inside, delay_s: float
):
    this = course("ttm", steps=1000, validate_every=1)
    with this.running() as process:
        feed(process, this.beginning(), range(3))
        until(process, "validation")
        time.sleep(delay_s)
    ((_kind, error),) = ask_inside("ttm")("refusals", checkpoints=[str(this.out)])
    assert error == "" or "lacks" in error or "there is no directory" in error
    again = this.run(range(2), resume=True)
    assert again.events[0]["event"] in {"started", "resumed"} or "nothing to resume" in again.error


@pytest.mark.parametrize("model", MODELS)
def test_a_full_disk_is_told_and_leaves_nothing(model: str, course: Callable[..., Course]):
    this = course(model)

    def full() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, 2_000))

    ended = this.run(range(6), begin=full)
    assert ended.code == 1
    assert "could not be written" in ended.error or "File too large" in ended.error
    assert this.left() == set()


def test_what_is_no_stream_or_no_recipe_is_told(course: Callable[..., Course]):
    this = course("ttm")
    beginning = this.beginning()
    for content, words in (
        (b"hello\n", "no JSON"),
        (beginning[:-10], "batch 1 of the examples was cut"),
        (beginning + b"\0\0\0\2{}", "batch 2 of the examples must hold the arrays"),
        (
            beginning.replace(b"d_model", b"d_mode1", 1),
            "section model of the recipe has no d_mode1",
        ),
        (
            beginning.replace(b'"steps"', b'"stops"', 1),
            "section training of the recipe has no stop",
        ),
        (beginning.replace(b'"validation": 2', b'"validation": 9', 1), "validation"),
    ):
        ended = this.run_with(content)
        assert ended.code == 1, words
        assert words in ended.error
        assert "Traceback" not in ended.log
        assert this.left() <= {"training-state.pt"}


def test_nothing_is_written_over_and_nothing_else_is_resumed(course: Callable[..., Course]):
    this = course("ttm")
    assert this.run(range(3)).code == 1
    assert "holds a training that goes on with --resume" in this.run(range(6)).error
    other = course("ttm", steps=7)
    assert "a training with another recipe" in other.run(range(6), resume=True).error
    state = this.out / "training-state.pt"
    whole = state.read_bytes()
    state.write_bytes(whole[: len(whole) // 2])
    assert "training-state.pt is damaged" in this.run(range(6), resume=True).error
    state.write_bytes(whole)
    assert this.run(range(3, 6), resume=True).code == 0
    assert "holds weights" in this.run(range(6)).error
    assert "nothing to resume" in this.run(range(6), resume=True).error


@pytest.mark.parametrize("model", MODELS)
def test_spoilt_weights_of_ours_are_refused(
    model: str, course: Callable[..., Course], ask_inside, spoil: Callable[..., str], tmp_path: Path
):
    this = course(model, steps=1)
    assert this.run(range(1)).code == 0
    cut = spoil(this.out, tmp_path / "cut")
    (tmp_path / "cut" / "model.safetensors").write_bytes(this.weights()[:-100])
    expected = {
        cut: "is damaged",
        spoil(this.out, tmp_path / "wider", d_model=64): "of another shape",
        spoil(this.out, tmp_path / "other", architectures=["T5Model"]): "T5Model: model ",
        spoil(this.out, tmp_path / "later", chronotick_context="anchored-2"): (
            "config.json asks for contexts 'anchored-2', known are 'anchored-1' only"
        ),
        str(this.out): "",
    }
    said = ask_inside(model)("refusals", checkpoints=list(expected))
    for words, (_kind, error) in zip(expected.values(), said, strict=True):
        assert words in error if words else error == ""
