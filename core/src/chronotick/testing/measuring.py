"""What a model costs in its real worker, beside a reference measured at the same time."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from chronotick.config.schema import Workers
from chronotick.plugin.contract import ContextBatch, ModelSpec
from chronotick.testing.checks import Subject, Violation
from chronotick.testing.contexts import batch_of, walk
from chronotick.testing.running import NotReady, running
from chronotick.workers import EnvironmentProblem, WorkerError, provide
from chronotick.workers.procfs import peak_bytes

_LEVELS: Final = (0.05, 0.5, 0.95)
_PATIENCE_S: Final = 300.0
_WARM_UP: Final = 2
_REFERENCE: Final = "numpy.fft.rfft of 131072 doubles"
_REFERENCE_LENGTH: Final = 1 << 17


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What models are asked.

    Attributes:
        context: samples of each series.
        horizon: steps ahead.
        batch: series.
        repeat: forecasts that are measured.
    """

    context: int
    horizon: int
    batch: int
    repeat: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What is measured.

    Attributes:
        spec: of a model with an environment.
        checkpoint: hub id or directory; empty: the configuration's or the model's default.
        device: ``auto``, ``cpu`` or ``cuda[:n]``.
        random_size: what to call ``checkpoint`` if its weights are random.
    """

    spec: ModelSpec
    checkpoint: str = ""
    device: str = "cpu"
    random_size: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a model cost.

    Attributes:
        model: its name.
        checkpoint: what was loaded.
        random_size: size of random weights; empty when they are real, or there are none.
        device: it computed on.
        threads: CPU threads of the worker.
        parameters: number of weights.
        context, horizon: what it was asked with; less than was wanted where the weights take less.
        start_s: from asking for a worker to the model being loaded; no building is in it.
        median_s, p90_s: of the forecasts, the wire included.
        reference: what it is compared with.
        reference_median_s: of the reference, which took turns with the forecasts.
        ratio: of the medians.
        peak_memory_mb: largest resident memory of the process, in MiB.
    """

    model: str
    checkpoint: str
    random_size: str
    device: str
    threads: int
    parameters: int
    context: int
    horizon: int
    start_s: float
    median_s: float
    p90_s: float
    reference: str
    reference_median_s: float
    ratio: float
    peak_memory_mb: float


def measure(trial: Trial, config: Workers, question: Question) -> Measured:
    """Start a model's worker, ask it, and end it.

    Args:
        trial: what to measure.
        config: where environments are, whether they may be built, threads.
        question: what to ask.

    Raises:
        NotReady: the environment could not be built, or the model not be loaded.
        Violation: it failed to answer.
    """
    try:  # before the clock starts: building takes minutes, once
        lease = provide(
            trial.spec,
            config.environments,
            trial.device,
            allowed=config.build,
            offline=config.offline,
        )
    except EnvironmentProblem as error:
        raise NotReady(str(error)) from error
    try:
        return asyncio.run(_measure(trial, config, question))
    finally:
        lease.release()


async def _measure(trial: Trial, config: Workers, question: Question) -> Measured:
    began = time.perf_counter()
    starting = running(trial.spec, config, checkpoint=trial.checkpoint, device=trial.device)
    async with starting as subject:
        start_s = time.perf_counter() - began
        info = subject.info
        question = replace(
            question,
            context=min(question.context, info.max_context),
            horizon=min(question.horizon, info.max_horizon),
        )
        taken, reference = await _turns(subject, question)
        median, other = statistics.median(taken), statistics.median(reference)
        return Measured(
            model=trial.spec.name,
            checkpoint=info.checkpoint,
            random_size=trial.random_size,
            device=info.device,
            threads=config.for_model(trial.spec.name).threads,
            parameters=info.parameters,
            context=question.context,
            horizon=question.horizon,
            start_s=start_s,
            median_s=median,
            p90_s=statistics.quantiles(taken, n=10, method="inclusive")[-1],
            reference=_REFERENCE,
            reference_median_s=other,
            ratio=median / other,
            peak_memory_mb=peak_bytes(subject.worker.state.pid or 0) / 2**20,
        )


async def _turns(subject: Subject, question: Question) -> tuple[list[float], list[float]]:
    """Seconds of forecasts and of the reference, one after the other."""
    batch, horizon = batch_of(walk(question.context, question.batch)), question.horizon
    for _ in range(_WARM_UP):
        await _ask(subject, batch, horizon)
    compute = _reference()
    taken, reference = [], []
    for _ in range(question.repeat):
        began = time.perf_counter()
        compute()
        between = time.perf_counter()
        await _ask(subject, batch, horizon)
        reference.append(between - began)
        taken.append(time.perf_counter() - between)
    return taken, reference


async def _ask(subject: Subject, batch: ContextBatch, horizon: int) -> None:
    try:
        await subject.worker.forecast(batch, horizon, _LEVELS, _PATIENCE_S)
    except WorkerError as error:
        raise Violation(str(error)) from error


def _reference() -> Callable[[], object]:
    """One thread always, unlike a product of matrices."""
    signal = np.random.default_rng(0).normal(size=_REFERENCE_LENGTH)
    return lambda: np.fft.rfft(signal)
