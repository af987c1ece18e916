"""A worker that shares no line with ours: what docs/protocol.md says is enough to write one.

``worker.c`` uses neither a ZeroMQ nor a msgpack library. Only how it gets into the place of the
interpreter is arranged here.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest

from chronotick.plugin import ContextBatch, ModelSpec
from chronotick.workers import Phase, Worker, WorkerPool
from chronotick.workers.leases import Lease

LEVELS = (0.1, 0.5, 0.9)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("c") / "worker"
    source = Path(__file__).with_name("worker.c")
    flags = ["-std=c99", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-O1"]
    compiler = os.environ.get("CC", "cc")
    subprocess.run([compiler, *flags, "-o", str(made), str(source), "-lm"], check=True)
    return made


@pytest.fixture
async def foreign(
    make_pool: Callable[..., WorkerPool],
    echo: ModelSpec,
    program: Path,
    monkeypatch: pytest.MonkeyPatch,
    wait_for_phase: Callable[..., Awaitable[None]],
) -> Worker:
    monkeypatch.setattr(
        "chronotick.workers.lodging.provide", lambda *_args, **_options: Lease(program)
    )
    worker = make_pool().add(echo)
    await wait_for_phase(worker, Phase.READY)
    return worker


async def test_it_greets_loads_and_forecasts(foreign: Worker, batch: ContextBatch):
    forecast = await foreign.forecast(batch, 5, LEVELS, 50.0)
    np.testing.assert_array_equal(forecast.mean, np.full((1, 5), 2e-6))
    np.testing.assert_allclose(forecast.quantiles[0, 0], 2e-6 + 1e-7 * np.array([-1.6, 0, 1.6]))
    state = foreign.state
    assert (state.info.checkpoint, state.info.max_context, state.answers) == ("none", 4096, 1)


async def test_large_contexts_with_gaps_and_covariates(foreign: Worker):
    values = np.arange(3 * 4000, dtype=float).reshape(3, 4000)
    values[:, -2:] = np.nan
    batch = ContextBatch(
        values=values,
        noise=np.ones((3, 4000)),
        step_s=1.0,
        trend_covariance=np.zeros((3, 4)),
        covariates={"temperature": np.zeros((3, 4000))},
    )
    for horizon in (1, 400):
        forecast = await foreign.forecast(batch, horizon, LEVELS, 50.0)
        np.testing.assert_array_equal(forecast.mean[:, -1], values[:, -3])


async def test_it_leaves_when_it_is_drained(foreign: Worker):
    process = foreign._partner
    await foreign.stop()
    assert process.exited.result() == 0


async def test_it_is_started_again_after_a_kill(
    foreign: Worker, batch: ContextBatch, until: Callable[..., Awaitable[None]]
):
    pid = foreign.state.pid
    os.kill(pid, signal.SIGKILL)
    await until(lambda: foreign.state.phase is Phase.READY and foreign.state.pid != pid)
    assert (await foreign.forecast(batch, 1, LEVELS, 50.0)).mean.shape == (1, 1)


@pytest.mark.parametrize(("parent", "status"), [("1", 5), ("none", 6)])
def test_its_exit_statuses_are_those_of_the_document(program: Path, parent: str, status: int):
    line = f'{{"address": "ipc:///nowhere", "identity": "i", "token": "t", "parent_pid": {parent}}}'
    run = subprocess.run([program], input=line.encode() + b"\n", timeout=50, check=False)
    assert run.returncode == status


async def test_it_leaves_when_its_lifeline_is_cut(foreign: Worker):
    """It was ready before its process was known: a C program is faster than a thread's answer."""
    process = foreign._partner
    assert process is not None
    process._popen.stdin.close()
    assert await asyncio.wait_for(asyncio.shield(process.exited), 50) == 5
