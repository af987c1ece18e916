"""Faults that take a machine's resources, or strike at the worst moment. Real processes only."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

from chronotick.plugin import ContextBatch, ModelSpec
from chronotick.workers import Phase, Worker, WorkerPool, WorkerUnavailable
from chronotick.workers.procfs import resident_bytes
from chronotick.workers.restart import RestartRules
from chronotick.workers.terms import Patience

LEVELS = (0.1, 0.5, 0.9)
MIB = 2**20
EAGER = RestartRules(base_s=0.01, crashes=1000)
REQUESTS = 10_000
WARM_UP = 1_000  # requests after which allocators, caches and the log have what they need
GROWTH_BOUND = 4 * MIB  # of resident memory over all further requests: 466 bytes each

Ready = Callable[..., Awaitable[Worker]]
Wait = Callable[..., Awaitable[None]]


def oom_score(pid: int) -> int:
    return int(Path(f"/proc/{pid}/oom_score_adj").read_text(encoding="ascii"))


def threads_of(pid: int) -> list[int]:
    return [int(entry.name) for entry in Path(f"/proc/{pid}/task").iterdir()]


@pytest.fixture
async def ready(make_pool: Callable[..., WorkerPool], echo: ModelSpec, wait_for_phase: Wait):
    async def start(checkpoint: str = "", **pool_options: object) -> Worker:
        worker = make_pool(**pool_options).add(echo, checkpoint)
        await wait_for_phase(worker, Phase.READY)
        return worker

    return start


async def test_crash_while_a_reply_of_megabytes_is_sent(
    ready: Ready, wait_for_phase: Wait, until: Wait
):
    """Half a message on the wire is no message: an answer is whole or there is none."""
    values = np.ones((64, 512))
    large = ContextBatch(
        values=values, noise=values, step_s=1.0, trend_covariance=np.zeros((64, 4))
    )
    worker = await ready("crash-mid-reply", rules=EAGER)
    for _ in range(3):
        await wait_for_phase(worker, Phase.READY)
        lives = worker.state.restarts
        with suppress(WorkerUnavailable):
            forecast = await worker.forecast(large, 4096, LEVELS, 30.0)
            np.testing.assert_array_equal(forecast.mean, np.ones((64, 4096)))
        await until(lambda lives=lives: worker.state.restarts > lives)
    assert "SIGABRT" in worker.state.last_error


NOISY = """
import os
print("noisy: imported")
os.write(1, b"x" * 2**20 + bytes(range(256)))
from chronotick.plugin.echo import Echo
"""


@pytest.fixture
def noisy(echo: ModelSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelSpec:
    (tmp_path / "noisy.py").write_text(NOISY)
    monkeypatch.syspath_prepend(str(tmp_path))
    return replace(echo, worker="noisy:Echo")


async def test_print_at_import_does_not_disturb_the_wire(
    make_pool: Callable[..., WorkerPool],
    noisy: ModelSpec,
    wait_for_phase: Wait,
    batch: ContextBatch,
):
    worker = make_pool().add(noisy)
    await wait_for_phase(worker, Phase.READY)
    assert (await worker.forecast(batch, 5, LEVELS, 20.0)).mean.shape == (1, 5)


async def test_memory_is_watched_closely_where_it_is_limited(
    ready: Ready, batch: ContextBatch, until: Wait
):
    """The look once a second would come too late for one that takes gigabytes in that time."""
    patience = Patience(poll_s=3600.0, term_s=1.0)
    worker = await ready("allocate=400", memory_limit_mb=300, rules=EAGER, patience=patience)
    with suppress(WorkerUnavailable):
        await worker.forecast(batch, 5, LEVELS, 20.0)
    await until(lambda: worker.state.restarts >= 1 or worker.state.last_error)
    assert "its limit is 300 MiB" in worker.state.last_error


async def test_the_kernel_takes_workers_before_the_daemon(ready: Ready):
    worker = await ready()
    assert oom_score(worker.state.pid) == 1000
    assert oom_score(os.getpid()) < 1000


async def test_all_threads_of_a_worker_stand_back(ready: Ready):
    """Niceness belongs to threads: libraries start theirs while they are imported."""
    worker = await ready(niceness=7)
    tasks = threads_of(worker.state.pid)
    assert len(tasks) > 1
    ours = os.getpriority(os.PRIO_PROCESS, 0)
    assert {os.getpriority(os.PRIO_PROCESS, task) for task in tasks} == {max(7, ours)}
    assert os.getpriority(os.PRIO_PROCESS, 0) == ours


async def test_all_threads_of_a_worker_run_where_they_may(ready: Ready):
    cpu = max(os.sched_getaffinity(0))
    worker = await ready(cpu_affinity=[cpu])
    tasks = threads_of(worker.state.pid)
    assert {frozenset(os.sched_getaffinity(task)) for task in tasks} == {frozenset({cpu})}


async def test_one_models_worker_is_run_otherwise(
    make_pool: Callable[..., WorkerPool], echo: ModelSpec, wait_for_phase: Wait
):
    pool = make_pool(threads=1, overrides={"other": {"threads": 3, "niceness": 15}})
    workers = [pool.add(echo), pool.add(replace(echo, name="other"))]
    seen = []
    for worker in workers:
        await wait_for_phase(worker, Phase.READY)
        process = psutil.Process(worker.state.pid)
        seen.append((process.environ()["OMP_NUM_THREADS"], worker._order.threads, process.nice()))
    ours = os.getpriority(os.PRIO_PROCESS, 0)
    assert seen == [("1", 1, max(10, ours)), ("3", 3, max(15, ours))]


async def test_a_cpu_that_is_not_there_is_told(
    make_pool: Callable[..., WorkerPool], echo: ModelSpec, wait_for_phase: Wait
):
    worker = make_pool(cpu_affinity=[1023]).add(echo)
    await wait_for_phase(worker, Phase.BROKEN)
    assert "it cannot be bound to CPU 1023" in worker.state.last_error
    assert "correct cpu_affinity" in worker.state.last_error
    children = psutil.Process().children()
    assert not [c for c in children if "chronotick.workers.child" in " ".join(c.cmdline())]


async def test_a_worker_inherits_no_descriptor_and_no_foreign_variable(
    ready: Ready, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setenv("LD_PRELOAD_OF_SOMEBODY", "x")
    monkeypatch.setenv("PYTHONSTARTUP", "/nonexistent")
    with (tmp_path / "secret").open("w") as secret:
        os.set_inheritable(secret.fileno(), True)  # noqa: FBT003 - the library's signature
        worker = await ready()
        process = psutil.Process(worker.state.pid)
        assert str(tmp_path / "secret") not in [file.path for file in process.open_files()]
    assert {"LD_PRELOAD_OF_SOMEBODY", "PYTHONSTARTUP"}.isdisjoint(process.environ())


async def test_ten_thousand_requests_take_no_memory(ready: Ready, batch: ContextBatch):
    worker = await ready()
    pid = worker.state.pid
    assert pid is not None
    for _ in range(WARM_UP):
        await worker.forecast(batch, 8, LEVELS, 30.0)
    gc.collect()
    before = resident_bytes(os.getpid()), resident_bytes(pid)
    for _ in range(REQUESTS):
        await worker.forecast(batch, 8, LEVELS, 30.0)
    gc.collect()
    after = resident_bytes(os.getpid()), resident_bytes(pid)
    assert (worker.state.pid, worker.state.answers) == (pid, WARM_UP + REQUESTS)
    assert after[0] - before[0] < GROWTH_BOUND
    assert after[1] - before[1] < GROWTH_BOUND


async def test_lives_take_no_descriptors(
    make_pool: Callable[..., WorkerPool], echo: ModelSpec, wait_for_phase: Wait
):
    """A worker that keeps dying must not bring the daemon to its limit of open files."""
    worker = make_pool(rules=EAGER).add(echo, "crash-on-load")
    await wait_for_phase(worker, Phase.BACKOFF, Phase.BROKEN)
    process = psutil.Process()
    before = process.num_fds()
    lives = worker.state.restarts + 10

    async def more() -> None:
        while worker.state.restarts < lives:  # noqa: ASYNC110 - lives of another process
            await asyncio.sleep(0.02)

    await asyncio.wait_for(more(), 50)
    assert process.num_fds() <= before + 8  # those of a life under way
    assert process.num_fds() < resource.getrlimit(resource.RLIMIT_NOFILE)[0]


async def test_what_a_model_warns_of_is_seen_and_not_without_end(
    ready: Ready, batch: ContextBatch, until: Wait, caplog: pytest.LogCaptureFixture
):
    caplog.set_level("INFO", "chronotick.workers")
    worker = await ready("warn,stdout")
    for _ in range(40):
        await worker.forecast(batch, 4, LEVELS, 20.0)
    await until(lambda: worker.output(200).count("a warning, as asked for") == 40)
    seen = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert seen == ["echo: a warning, as asked for"] * 20
    assert "echo: forecasting" not in caplog.text
