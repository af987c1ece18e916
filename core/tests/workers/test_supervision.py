"""What becomes of forecasts when their process misbehaves. Every process here is a real one."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

from chronotick.plugin import ContextBatch, ModelSpec
from chronotick.workers import (
    DeadlineMissed,
    ForecastFailed,
    Phase,
    Superseded,
    UnknownWorker,
    Worker,
    WorkerPool,
    WorkerUnavailable,
)
from chronotick.workers.restart import RestartRules
from chronotick.workers.terms import Patience

LEVELS = (0.1, 0.5, 0.9)


def children() -> list[str]:
    commands = [" ".join(child.cmdline()) for child in psutil.Process().children()]
    return [command for command in commands if "chronotick.workers.child" in command]


@pytest.fixture
async def ready(
    make_pool: Callable[..., WorkerPool],
    echo: ModelSpec,
    wait_for_phase: Callable[..., Awaitable[None]],
):
    async def start(checkpoint: str = "", **pool_options: object) -> Worker:
        worker = make_pool(**pool_options).add(echo, checkpoint)
        await wait_for_phase(worker, Phase.READY)
        return worker

    return start


async def test_forecast_comes_back_with_shape_and_values(
    ready: Callable[..., Awaitable[Worker]], batch: ContextBatch
):
    worker = await ready()
    forecast = await worker.forecast(batch, 5, LEVELS, 5.0)
    assert forecast.mean.shape == (1, 5)
    assert forecast.quantiles.shape == (1, 5, 3)
    np.testing.assert_array_equal(forecast.mean, np.full((1, 5), 2e-6))
    assert not forecast.mean.flags.writeable


async def test_state_tells_what_happened(
    ready: Callable[..., Awaitable[Worker]], batch: ContextBatch
):
    worker = await ready()
    await worker.forecast(batch, 5, LEVELS, 5.0)
    state = worker.state
    assert (state.requests, state.answers, state.failures) == (1, 1, 0)
    assert state.incarnation.startswith("echo/")
    assert state.info.device == "cpu"
    assert state.latency_median_s > 0
    os.kill(state.pid, 0)


async def test_not_ready_is_said_at_once(
    make_pool: Callable[..., WorkerPool], echo: ModelSpec, batch: ContextBatch
):
    worker = make_pool().add(echo, "slow-start=30")
    with pytest.raises(WorkerUnavailable, match=r"echo: (building|starting|loading)"):
        await worker.forecast(batch, 5, LEVELS, 60.0)


async def test_kill_fails_the_request_in_flight_and_the_worker_comes_back(
    ready: Callable[..., Awaitable[Worker]],
    batch: ContextBatch,
    wait_for_phase: Callable[..., Awaitable[None]],
):
    worker = await ready("late=20")
    request = asyncio.create_task(worker.forecast(batch, 5, LEVELS, 30.0))
    await asyncio.sleep(0.1)
    first = worker.state
    os.kill(first.pid, signal.SIGKILL)
    with pytest.raises(WorkerUnavailable, match="SIGKILL"):
        await request
    await wait_for_phase(worker, Phase.READY)
    second = worker.state
    assert second.restarts == 1
    assert second.incarnation != first.incarnation
    assert "SIGKILL" in second.last_error


async def test_crash_while_forecasting_is_put_into_words(
    ready: Callable[..., Awaitable[Worker]], batch: ContextBatch
):
    worker = await ready("crash-on-forecast")
    with pytest.raises(WorkerUnavailable, match=r"SIGABRT \(native code gave up\)"):
        await worker.forecast(batch, 5, LEVELS, 10.0)


async def test_exit_with_status_zero_is_no_answer(
    ready: Callable[..., Awaitable[Worker]], batch: ContextBatch
):
    worker = await ready("exit0")
    with pytest.raises(WorkerUnavailable, match="left without being asked"):
        await worker.forecast(batch, 5, LEVELS, 10.0)


async def test_crash_while_loading_opens_the_breaker_after_three(
    make_pool: Callable[..., WorkerPool],
    echo: ModelSpec,
    wait_for_phase: Callable[..., Awaitable[None]],
):
    worker = make_pool().add(echo, "crash-on-load")
    await wait_for_phase(worker, Phase.BROKEN)
    state = worker.state
    assert state.restarts == 2
    assert state.retry_in_s > 50
    assert "SIGABRT" in state.last_error


async def test_open_breaker_lets_one_probe_through(
    make_pool: Callable[..., WorkerPool],
    echo: ModelSpec,
    wait_for_phase: Callable[..., Awaitable[None]],
):
    rules = RestartRules(base_s=0.01, crashes=2, window_s=60.0, open_s=0.3)
    worker = make_pool(rules=rules).add(echo, "crash-on-load")
    await wait_for_phase(worker, Phase.BROKEN)
    assert worker.state.restarts == 1
    await wait_for_phase(worker, Phase.STARTING, Phase.LOADING)
    await wait_for_phase(worker, Phase.BROKEN)
    assert worker.state.restarts == 2  # one crash was enough this time


async def test_missing_weights_are_not_tried_again_and_again(
    make_pool: Callable[..., WorkerPool],
    echo: ModelSpec,
    wait_for_phase: Callable[..., Awaitable[None]],
):
    worker = make_pool().add(echo, "missing-weights")
    await wait_for_phase(worker, Phase.BROKEN)
    assert worker.state.restarts == 0
    assert "no weights, as asked for" in worker.state.last_error


async def test_unknown_switch_is_told_by_the_model(
    make_pool: Callable[..., WorkerPool],
    echo: ModelSpec,
    wait_for_phase: Callable[..., Awaitable[None]],
):
    worker = make_pool().add(echo, "no-such-switch")
    await wait_for_phase(worker, Phase.BROKEN)
    assert worker.state.restarts == 0  # trying again at once would not mend it
    assert "echo has no switch" in worker.state.last_error


@pytest.mark.parametrize("fault", ["hang", "hang-gil"])
async def test_hang_misses_the_deadline_and_is_ended(
    ready: Callable[..., Awaitable[Worker]],
    batch: ContextBatch,
    fault: str,
    until: Callable[..., Awaitable[None]],
    is_alive: Callable[[int], bool],
):
    worker = await ready(fault)
    pid = worker.state.pid
    with pytest.raises(DeadlineMissed, match=r"no answer within 0\.2 s"):
        await worker.forecast(batch, 5, LEVELS, 0.2)
    assert worker.state.deadline_misses == 1
    await until(lambda: "gave no answer" in worker.state.last_error)
    assert not is_alive(pid)


async def test_stopped_process_is_ended_too(
    ready: Callable[..., Awaitable[Worker]],
    batch: ContextBatch,
    until: Callable[..., Awaitable[None]],
):
    """SIGTERM stays pending in a stopped process: only SIGKILL ends it."""
    worker = await ready()
    os.kill(worker.state.pid, signal.SIGSTOP)
    with pytest.raises(DeadlineMissed):
        await worker.forecast(batch, 5, LEVELS, 0.2)
    await until(lambda: "gave no answer" in worker.state.last_error)


async def test_late_answer_is_dropped_and_the_worker_kept(
    ready: Callable[..., Awaitable[Worker]], batch: ContextBatch
):
    worker = await ready("late=0.3", patience=Patience(late_s=10.0))
    pid = worker.state.pid
    with pytest.raises(DeadlineMissed):
        await worker.forecast(batch, 5, LEVELS, 0.1)
    await worker.forecast(batch, 7, LEVELS, 5.0)
    state = worker.state
    assert (state.pid, state.late_replies, state.answers) == (pid, 1, 1)


async def test_newer_context_supersedes_the_waiting_one(
    ready: Callable[..., Awaitable[Worker]], batch: ContextBatch
):
    worker = await ready("late=0.2")
    first, second, third = (
        asyncio.create_task(worker.forecast(batch, horizon, LEVELS, 5.0)) for horizon in (1, 2, 3)
    )
    with pytest.raises(Superseded):
        await second
    assert (await first).mean.shape == (1, 1)
    assert (await third).mean.shape == (1, 3)


async def test_waiting_request_keeps_its_own_deadline(
    ready: Callable[..., Awaitable[Worker]], batch: ContextBatch
):
    worker = await ready("late=0.5")
    first = asyncio.create_task(worker.forecast(batch, 1, LEVELS, 5.0))
    await asyncio.sleep(0)
    with pytest.raises(DeadlineMissed):
        await worker.forecast(batch, 2, LEVELS, 0.1)
    await first
    assert worker.state.answers == 1


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("nan", "mean holds 5 of 5 values that are not finite"),
        ("wrong-shape", r"shape \(1, 6\), asked for was \(1, 5\)"),
        ("wrong-type", "mean must be a float64 array, not float32"),
        ("unordered", "quantiles must not decrease along the last axis"),
        ("raise", "RuntimeError: echo: an exception, as asked for"),
    ],
)
async def test_bad_answer_fails_the_forecast_and_not_the_worker(
    ready: Callable[..., Awaitable[Worker]], batch: ContextBatch, fault: str, words: str
):
    worker = await ready(fault)
    pid = worker.state.pid
    with pytest.raises(ForecastFailed, match=words) as caught:
        await worker.forecast(batch, 5, LEVELS, 5.0)
    assert "Traceback" in caught.value.traceback
    assert (worker.state.phase, worker.state.pid) == (Phase.READY, pid)


async def test_context_without_measurements_is_an_error_of_the_request(
    ready: Callable[..., Awaitable[Worker]], batch: ContextBatch
):
    empty = type(batch)(
        values=np.full((1, 8), np.nan),
        noise=np.full((1, 8), np.nan),
        step_s=1.0,
        trend_covariance=np.zeros((1, 4)),
    )
    worker = await ready()
    with pytest.raises(ForecastFailed, match="holds no measurement"):
        await worker.forecast(empty, 5, LEVELS, 5.0)


async def test_output_floods_do_not_block_and_are_bounded(
    ready: Callable[..., Awaitable[Worker]], batch: ContextBatch
):
    worker = await ready("stderr-flood,stdout")
    for _ in range(3):
        await worker.forecast(batch, 5, LEVELS, 10.0)
    assert worker.output(3).splitlines()[-1] == "x" * 1023
    assert len(worker._partner.output._kept) <= 64 * 1024


async def test_printing_does_not_disturb_the_wire(
    ready: Callable[..., Awaitable[Worker]], batch: ContextBatch
):
    worker = await ready("stdout")
    await worker.forecast(batch, 5, LEVELS, 5.0)
    assert "echo: loading" in worker.output()


async def test_memory_limit_ends_the_worker(
    ready: Callable[..., Awaitable[Worker]],
    batch: ContextBatch,
    until: Callable[..., Awaitable[None]],
):
    worker = await ready("allocate=300", memory_limit_mb=200)
    with suppress(WorkerUnavailable):  # it may be ended before it can answer
        await worker.forecast(batch, 5, LEVELS, 20.0)
    await until(lambda: "its limit is 200 MiB (workers.memory_limit_mb)" in worker.state.last_error)


async def test_loading_without_progress_is_ended(
    make_pool: Callable[..., WorkerPool],
    echo: ModelSpec,
    wait_for_phase: Callable[..., Awaitable[None]],
):
    patience = Patience(start_s=1.0, poll_s=0.05, term_s=1.0)
    worker = make_pool(patience=patience).add(echo, "slow-start=60")
    await wait_for_phase(worker, Phase.BACKOFF, Phase.BROKEN)
    assert "no progress in 1 s" in worker.state.last_error


async def test_close_drains_and_leaves_nothing(
    make_pool: Callable[..., WorkerPool],
    echo: ModelSpec,
    wait_for_phase: Callable[..., Awaitable[None]],
    runtime_dir: Path,
):
    pool = make_pool()
    worker = pool.add(echo)
    await wait_for_phase(worker, Phase.READY)
    process = worker._partner
    await pool.close()
    assert process.exited.result() == 0
    assert worker.state.phase is Phase.STOPPED
    assert os.listdir(runtime_dir) == []  # noqa: PTH208 - one look, not a walk


async def test_close_ends_a_worker_that_hangs(
    ready: Callable[..., Awaitable[Worker]],
    make_pool: Callable[..., WorkerPool],
    echo: ModelSpec,
    wait_for_phase: Callable[..., Awaitable[None]],
    batch: ContextBatch,
):
    pool = make_pool(patience=Patience(drain_s=0.1, term_s=0.5))
    worker = pool.add(echo, "hang-gil")
    await wait_for_phase(worker, Phase.READY)
    request = asyncio.create_task(worker.forecast(batch, 1, LEVELS, 60.0))
    await asyncio.sleep(0.1)
    process = worker._partner
    await pool.close()
    assert process.exited.result() == -signal.SIGTERM
    with pytest.raises(WorkerUnavailable, match="being stopped"):
        await request


async def test_close_while_starting_leaves_no_process(
    make_pool: Callable[..., WorkerPool], echo: ModelSpec
):
    for turns in range(6):
        pool = make_pool()
        worker = pool.add(echo)
        for _ in range(turns):
            await asyncio.sleep(0)
        await pool.close()
        assert worker.state.phase is Phase.STOPPED
    assert children() == []


async def test_removed_worker_ends_in_good_order_and_can_be_added_again(
    make_pool: Callable[..., WorkerPool],
    echo: ModelSpec,
    batch: ContextBatch,
    wait_for_phase: Callable[..., Awaitable[None]],
):
    pool = make_pool()
    worker, other = pool.add(echo), pool.add(replace(echo, name="other"))
    await wait_for_phase(worker, Phase.READY)
    await wait_for_phase(other, Phase.READY)
    process = worker._partner
    await pool.remove("echo")
    assert process.exited.result() == 0  # as after DRAIN, not after a signal
    assert (worker.state.phase, worker.state.pid) == (Phase.STOPPED, None)
    assert set(pool.workers) == {"other"}
    again = pool.add(echo)
    await wait_for_phase(again, Phase.READY)
    for answering in (again, other):
        assert (await answering.forecast(batch, 2, LEVELS, 5.0)).mean.shape == (1, 2)


async def test_removing_fails_the_forecast_in_flight_and_later_ones(
    make_pool: Callable[..., WorkerPool],
    echo: ModelSpec,
    batch: ContextBatch,
    wait_for_phase: Callable[..., Awaitable[None]],
):
    pool = make_pool()
    worker = pool.add(echo, "late=0.3")
    await wait_for_phase(worker, Phase.READY)
    request = asyncio.create_task(worker.forecast(batch, 1, LEVELS, 60.0))
    await asyncio.sleep(0.1)
    removal = asyncio.create_task(pool.remove("echo"))
    with pytest.raises(WorkerUnavailable, match="being stopped"):
        await request
    assert not removal.done()
    with pytest.raises(WorkerUnavailable, match="stopped"):
        await worker.forecast(batch, 1, LEVELS, 60.0)
    await removal


async def test_removing_while_starting_leaves_no_process(
    make_pool: Callable[..., WorkerPool], echo: ModelSpec
):
    pool = make_pool()
    for turns in range(6):
        worker = pool.add(echo)
        for _ in range(turns):
            await asyncio.sleep(0)
        await pool.remove("echo")
        assert worker.state.phase is Phase.STOPPED
    assert children() == []


async def test_removing_twice_at_once_or_while_closing_does_no_harm(
    make_pool: Callable[..., WorkerPool],
    echo: ModelSpec,
    wait_for_phase: Callable[..., Awaitable[None]],
):
    pool = make_pool()
    await wait_for_phase(pool.add(echo), Phase.READY)
    await asyncio.gather(pool.remove("echo"), pool.remove("echo"), pool.close())
    assert dict(pool.workers) == {}


async def test_removing_what_is_not_there_names_what_is(
    make_pool: Callable[..., WorkerPool], echo: ModelSpec
):
    pool = make_pool()
    with pytest.raises(UnknownWorker, match="'absent' has a worker; those that have: none"):
        await pool.remove("absent")
    pool.add(echo)
    with pytest.raises(LookupError, match="'absent' has a worker; those that have: echo"):
        await pool.remove("absent")


async def test_two_workers_answer_at_the_same_time(
    make_pool: Callable[..., WorkerPool],
    echo: ModelSpec,
    batch: ContextBatch,
    wait_for_phase: Callable[..., Awaitable[None]],
):
    pool = make_pool()
    workers = [pool.add(replace(echo, name=name), "late=0.2") for name in ("one", "two")]
    for worker in workers:
        await wait_for_phase(worker, Phase.READY)
    answers = await asyncio.gather(*(w.forecast(batch, 2, LEVELS, 5.0) for w in workers))
    assert [answer.mean.shape for answer in answers] == [(1, 2), (1, 2)]
    assert set(pool.workers) == {"one", "two"}


async def test_names_are_unique_and_in_process_models_refused(
    make_pool: Callable[..., WorkerPool], echo: ModelSpec
):
    pool = make_pool()
    pool.add(echo)
    with pytest.raises(ValueError, match="has a worker already"):
        pool.add(echo)
    with pytest.raises(ValueError, match="runs in the daemon"):
        pool.add(replace(echo, name="inside", environment=None))


async def test_directories_are_made_absolute_for_the_worker(
    make_pool: Callable[..., WorkerPool],
    echo: ModelSpec,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights").mkdir()
    pool = make_pool(checkpoints={"one": "weights", "two": "org/name@main", "three": "./absent"})
    found = [
        pool.add(replace(echo, name=name))._order.checkpoint for name in ("one", "two", "three")
    ]
    assert found == [str(tmp_path / "weights"), "org/name@main", str(tmp_path / "absent")]


def test_empty_pool_imports_neither_zmq_nor_msgpack():
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from chronotick.config.schema import Workers\n"
        "from chronotick.workers import WorkerPool\n"
        "WorkerPool(Workers(), Path('/nonexistent'))\n"
        "print({'zmq', 'msgpack'} & set(sys.modules))\n"
    )
    run = subprocess.run(
        [sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout == "set()\n"


async def test_a_mistake_before_the_start_is_told_and_not_building_for_ever(
    make_pool: Callable[..., WorkerPool],
    echo: ModelSpec,
    wait_for_phase: Callable[..., Awaitable[None]],
    monkeypatch: pytest.MonkeyPatch,
):
    """Whatever was no EnvironmentProblem once ended the life's task silently."""

    def mistaken(*_: object, **__: object) -> None:
        raise RuntimeError("what nobody thought of")

    monkeypatch.setattr("chronotick.workers.lodging.provide", mistaken)
    worker = make_pool().add(echo)
    await wait_for_phase(worker, Phase.BROKEN)
    assert "what nobody thought of" in worker.state.last_error
