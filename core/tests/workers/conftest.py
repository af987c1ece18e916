"""Pools of real processes; the faults come from the echo model's switches."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from chronotick.config.schema import Workers
from chronotick.plugin import ContextBatch, ModelSpec
from chronotick.plugin.echo import chronotick_models
from chronotick.workers import Phase, Worker, WorkerPool
from chronotick.workers.restart import RestartRules
from chronotick.workers.terms import Patience

QUICK = Patience(start_s=10.0, late_s=0.3, drain_s=2.0, term_s=1.0, poll_s=0.05)
QUICK_RULES = RestartRules(base_s=0.05, crashes=3, window_s=60.0, open_s=60.0)

MakePool = Callable[..., WorkerPool]


@pytest.fixture
def echo() -> ModelSpec:
    return chronotick_models()[0]


@pytest.fixture
def runtime_dir() -> Iterator[Path]:
    # pytest's own tmp_path is too long for the path of a Unix socket.
    directory = Path(tempfile.mkdtemp(prefix="ct-"))
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
async def make_pool(runtime_dir: Path, tmp_path: Path) -> AsyncIterator[MakePool]:
    pools = []

    def make(
        patience: Patience = QUICK, rules: RestartRules = QUICK_RULES, **config: object
    ) -> WorkerPool:
        pool = WorkerPool(
            Workers(environments=tmp_path / "envs", **config),
            runtime_dir,
            patience=patience,
            rules=rules,
        )
        pools.append(pool)
        return pool

    yield make
    for pool in pools:
        await pool.close()


@pytest.fixture
def batch() -> ContextBatch:
    values = np.linspace(1e-6, 2e-6, 32).reshape(1, 32)
    return ContextBatch(
        values=values,
        noise=np.full_like(values, 1e-7),
        step_s=1.0,
        trend_covariance=np.zeros((1, 4)),
    )


@pytest.fixture
def until():
    async def wait(condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
        async def poll() -> None:
            while not condition():  # noqa: ASYNC110 - what other processes do sets no event here
                await asyncio.sleep(0.005)

        await asyncio.wait_for(poll(), timeout_s)

    return wait


@pytest.fixture
def wait_for_phase(until: Callable[..., Awaitable[None]]):
    async def wait(worker: Worker, *phases: Phase) -> None:
        await until(lambda: worker.state.phase in phases)

    return wait


@pytest.fixture
def is_alive():
    def check(pid: int) -> bool:
        with suppress(ProcessLookupError, FileNotFoundError):
            os.kill(pid, 0)
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
            return stat.rpartition(")")[2].split()[0] != "Z"
        return False

    return check
