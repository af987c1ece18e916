"""A server's answers to clocks: what its own workers say, in messages."""

from __future__ import annotations

import time

from chronotick.workers.errors import DeadlineMissed, ForecastFailed, WorkerError
from chronotick.workers.interface import AnyWorker
from chronotick.workers.messages import (
    LOAD_REQUEST,
    Failed,
    Loading,
    Message,
    Ready,
    Result,
    result_of,
)
from chronotick.workers.sessions import checked_batch
from chronotick.workers.state import Phase
from chronotick.workers.turns import Job


async def ask(worker: AnyWorker, job: Job, now_s: float) -> Result | Failed:
    """Ask a worker what a clock asks, in the time that remains.

    Args:
        worker: to ask.
        job: the clock's request.
        now_s: the event loop's time.
    """
    request, remaining_s, info = job.request, job.deadline_s - now_s, worker.state.info
    if remaining_s <= 0.0:
        return failure(job, "expired", "the deadline passed while other clocks were served")
    if info is None:
        return failure(job, "unavailable", f"the model is {worker.state.phase.value}")
    try:
        batch = checked_batch(request, info)
    except ValueError as error:
        return failure(job, "exception", str(error))
    started_ns = time.monotonic_ns()
    try:
        forecast = await worker.forecast(batch, request.horizon, request.quantiles, remaining_s)
    except WorkerError as error:
        return _failed(job, error)
    taken_ns = time.monotonic_ns() - started_ns
    return result_of(forecast, request_id=request.id, compute_ns=taken_ns)


def told(worker: AnyWorker) -> Message:
    """The state of a worker as its clocks are told."""
    state = worker.state
    if state.phase in (Phase.BACKOFF, Phase.BROKEN):
        retryable = state.phase is Phase.BACKOFF
        return Failed(id=LOAD_REQUEST, kind="load", message=state.last_error, retryable=retryable)
    if state.phase is not Phase.READY or state.info is None:
        words = f"{state.phase.value}: {state.detail}" if state.detail else state.phase.value
        return Loading(stage=words)
    return Ready(
        checkpoint=state.info.checkpoint,
        device=state.info.device,
        max_context=state.info.max_context,
        max_horizon=state.info.max_horizon,
        parameters=state.info.parameters,
    )


def failure(job: Job, kind: str, message: str, traceback: str = "") -> Failed:
    """Say that a request has no answer."""
    return Failed(id=job.request.id, kind=kind, message=message, traceback=traceback)


def _failed(job: Job, error: WorkerError) -> Failed:
    words = str(error).removeprefix(f"{error.worker}: ")
    if isinstance(error, ForecastFailed):
        return failure(job, error.kind, words, error.traceback)
    return failure(job, "expired" if isinstance(error, DeadlineMissed) else "unavailable", words)
