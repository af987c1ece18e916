"""A training from begin to end: examples made here, learnt from in the model's environment.

The trainer is a process of its own that reads examples from its standard input and tells what it
does on its standard output. It decides when it has had enough. Whichever side ends first, the other
ends too; only the trainer writes files.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from chronotick.config.schema import Workers
from chronotick.lab.training.describing import described
from chronotick.lab.training.examples import CONTEXT, REACH
from chronotick.lab.training.prior import KINDS
from chronotick.lab.training.recipe import Recipe
from chronotick.lab.training.stream import StreamEnded, streaming
from chronotick.plugin.contract import ModelSpec
from chronotick.plugin.training.frames import Header, write_batch, write_header
from chronotick.workers import command, provide

TRAINER = "chronotick.plugin.training"  # run as a module in the model's environment
PATIENCE_S = 60.0  # for a trainer that was told to end: it saves what it has learnt first
LAST_WORDS = 2000  # characters of its log that a message repeats
BEGINS = ("started", "resumed")

Event = Mapping[str, Any]


class TrainingFailed(Exception):  # noqa: N818 - says what happened
    """Raised when a training ends without weights: the trainer's fault, or that of the examples."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """What is trained, and how.

    Attributes:
        spec: of the model; its ``trainer`` does it.
        recipe: worlds, examples, network and how it learns.
        out: directory of the weights.
        resume: go on where an earlier run into ``out`` was interrupted.
        device: where the network learns.
        threads: of the network on a CPU.
        processes: that make examples.
        command: the exact command, for the model card.
    """

    spec: ModelSpec
    recipe: Recipe
    out: Path
    resume: bool = False
    device: str = "auto"
    threads: int = 1
    processes: int = 1
    command: str = ""

    @property
    def header(self) -> Header:
        """What the trainer is told first."""
        return Header(
            model=self.spec.name,
            recipe=self.recipe.model_dump(mode="json"),
            out=str(self.out.absolute()),
            resume=self.resume,
            device=self.device,
            threads=self.threads,
            context=CONTEXT,
            reach=REACH,
            validation=self.recipe.data.validation_batches,
            command=self.command,
            kinds=KINDS,
            card={"Data": described(self.recipe)},
        )


def train(training: Training, workers: Workers, tell: Callable[[Event], None]) -> Path:
    """Train a model.

    Args:
        training: what and how.
        workers: where environments are, and whether they may be built.
        tell: is told what the trainer says.

    Returns:
        The directory of the weights.

    Raises:
        EnvironmentProblem: the model's environment could not be built.
        TrainingFailed: it ended without weights.
    """
    spec = training.spec
    lease = provide(
        spec, workers.environments, training.device, allowed=workers.build, offline=workers.offline
    )
    try:
        line = command(lease, TRAINER, spec.trainer)
        return conduct(line, training, tell)
    finally:
        lease.release()


def conduct(line: list[str], training: Training, tell: Callable[[Event], None]) -> Path:
    """Run a trainer and feed it; see `train`.

    Args:
        line: its command line.
        training: what and how.
        tell: is told what the trainer says.
    """
    with tempfile.TemporaryFile() as log, _running(line, log) as process:
        feeder = _Feeder(process, training)
        feeder.start()
        try:
            saved = _listen(process, feeder, tell)
            process.wait()
        except TrainingFailed:
            feeder.end()
            feeder.check()  # a trainer without examples complains of that, not of the cause
            raise
        finally:
            feeder.end()
        feeder.check()
        if saved is None or process.returncode != 0:
            raise TrainingFailed(_last_words(process.returncode, log))
        return saved


def _listen(
    process: subprocess.Popen[bytes], feeder: _Feeder, tell: Callable[[Event], None]
) -> Path | None:
    """Follow what the trainer says until it says no more; return what it wrote."""
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    saved = None
    for line in process.stdout:
        event = _event(line)
        kind = event.get("event")
        if kind == "error":
            raise TrainingFailed(str(event.get("message", "the trainer does not say why")))
        if kind in BEGINS:
            feeder.begin(_step(event))
        if kind == "saved":
            saved = Path(str(event.get("directory", "")))
        tell(event)
    return saved


def _event(line: bytes) -> dict[str, Any]:
    try:
        event = json.loads(line)
    except ValueError:
        event = None
    if not isinstance(event, dict):
        raise TrainingFailed(f"the trainer says {line[:200]!r} where an event belongs")
    return event


def _step(event: Event) -> int:
    step = event.get("step")
    if not isinstance(step, int) or step < 0:
        raise TrainingFailed(f"the trainer begins at step {step!r}, which is none")
    return step


class _Feeder:
    """Writes examples for a trainer, in a thread of its own."""

    def __init__(self, process: subprocess.Popen[bytes], training: Training) -> None:
        self._problem: Exception | None = None
        self._process = process
        self._training = training
        self._begun, self._over = threading.Event(), threading.Event()
        self._first = 0
        self._thread = threading.Thread(target=self._run, name="examples", daemon=True)

    def start(self) -> None:
        """Introduce the training to the trainer; examples follow when it has begun."""
        self._thread.start()

    def begin(self, first: int) -> None:
        """Let examples come, from this batch on."""
        self._first = first
        self._begun.set()

    def end(self) -> None:
        """Make no more examples; the trainer is over or shall end."""
        self._over.set()
        self._begun.set()
        if self._process.poll() is None:
            _end(self._process)
        self._thread.join()

    def check(self) -> None:
        """See that there was nothing wrong with the examples.

        Raises:
            TrainingFailed: they ended, and not because the trainer had enough.
        """
        if self._problem is not None:
            raise TrainingFailed(f"the examples ended: {self._problem}") from self._problem

    def _run(self) -> None:
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        try:
            self._feed(cast("BinaryIO", self._process.stdin))
        except (BrokenPipeError, StreamEnded):
            pass  # the trainer has had enough, or shall have
        except Exception as error:  # noqa: BLE001 - told by whoever waits for the trainer
            self._problem = error
        with suppress(OSError):
            self._process.stdin.close()

    def _feed(self, pipe: BinaryIO) -> None:
        write_header(pipe, self._training.header)
        self._begun.wait()
        if self._over.is_set():
            return
        recipe, processes = self._training.recipe, self._training.processes
        with streaming(recipe, processes, self._over) as stream:
            for batch in stream(self._first):
                write_batch(pipe, batch)


@contextmanager
def _running(line: list[str], log: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """A trainer, in a session of its own: Ctrl-C reaches it through us, once."""
    process = subprocess.Popen(
        line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, start_new_session=True
    )
    try:
        yield process
    finally:
        _end(process)
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        process.stdout.close()


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask a trainer to end; see that it does."""
    if process.poll() is None:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(PATIENCE_S)
    if process.poll() is None:
        process.kill()
        process.wait()


def _last_words(code: int, log: IO[bytes]) -> str:
    """Why a trainer ended without weights, as far as it said."""
    log.seek(0)
    words = log.read().decode(errors="replace").strip()[-LAST_WORDS:]
    how = f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"
    return f"the trainer {how} and left no weights" + (f":\n{words}" if words else "")
