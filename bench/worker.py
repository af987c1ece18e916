"""What a worker costs: overhead per forecast, crash seen, orphans, a second environment.

``python bench/worker.py [--requests N] [--environments DIR]``. The environment of chronos is built
when it is not there. Nothing is compared with earlier runs: each line was measured in this one.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import zmq

from chronotick.config.schema import Workers
from chronotick.plugin import ContextBatch, Forecast, ModelSpec, load_plugins
from chronotick.workers import (
    Phase,
    Worker,
    WorkerPool,
    WorkerUnavailable,
    build,
    list_environments,
    plan,
    provide,
)
from chronotick.workers.messages import Result
from chronotick.workers.restart import RestartRules

REPOSITORY = Path(__file__).parents[1]
CONTEXT, HORIZON, LEVELS = 512, 64, tuple(tenth / 10 for tenth in range(1, 10))
WARM_UP = 50
EAGER = RestartRules(base_s=0.01, crashes=1000)

ORPHANAGE = """
import asyncio, sys
from pathlib import Path
import numpy as np
from chronotick.config.schema import Workers
from chronotick.plugin import ContextBatch
from chronotick.plugin.echo import chronotick_models
from chronotick.workers import Phase, WorkerPool

async def main():
    worker = WorkerPool(Workers(), Path(sys.argv[1])).add(chronotick_models()[0], "hang-gil")
    while worker.state.phase is not Phase.READY:
        await asyncio.sleep(0.01)
    ones = np.ones((1, 4))
    batch = ContextBatch(values=ones, noise=ones, step_s=1.0, trend_covariance=ones)
    asking = asyncio.create_task(worker.forecast(batch, 1, (0.5,), 3600.0))
    await asyncio.sleep(0.2)
    print(worker.state.pid, flush=True)
    await asking

asyncio.run(main())
"""


BARE_ECHO = """
import sys, zmq
with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
    socket.setsockopt(zmq.IDENTITY, b"bare")
    socket.connect(sys.argv[1])
    socket.send(b"hello")
    while len(frames := socket.recv_multipart()) > 1:
        socket.send_multipart([frames[0], bytes(8 * 64), bytes(8 * 64 * 9)])
"""


def bare_round_trip(requests: int) -> float:
    """Return the median of pyzmq alone with frames of the same sizes, for comparison."""
    with tempfile.TemporaryDirectory() as folder, zmq.Context() as bare:
        address = f"ipc://{folder}/bare"
        with bare.socket(zmq.ROUTER) as socket:
            socket.bind(address)
            with subprocess.Popen([sys.executable, "-c", BARE_ECHO, address]):
                socket.recv_multipart()
                frames = [b"bare", bytes(260), bytes(8 * CONTEXT), bytes(8 * CONTEXT), bytes(32)]
                trips_s = []
                for _ in range(requests):
                    started = time.perf_counter()
                    socket.send_multipart(frames)
                    socket.recv_multipart()
                    trips_s.append(time.perf_counter() - started)
                socket.send_multipart([b"bare", b"end"])
    return statistics.median(trips_s)


def context() -> ContextBatch:
    values = np.random.default_rng(1).normal(scale=1e-7, size=(1, CONTEXT)).cumsum(axis=1)
    return ContextBatch(
        values=values,
        noise=np.full_like(values, 1e-7),
        step_s=1.0,
        trend_covariance=np.zeros((1, 4)),
    )


@asynccontextmanager
async def ready_worker(
    spec: ModelSpec, checkpoint: str, environments: Path
) -> AsyncIterator[Worker]:
    runtime = Path(tempfile.mkdtemp(prefix="ct-"))
    pool = WorkerPool(Workers(environments=environments, offline=True), runtime, rules=EAGER)
    worker = pool.add(spec, checkpoint, "cpu")
    await until_ready(worker)
    try:
        yield worker
    finally:
        await pool.close()
        shutil.rmtree(runtime)


async def until_ready(worker: Worker) -> None:
    while worker.state.phase is not Phase.READY:
        if worker.state.phase is Phase.BROKEN:
            raise SystemExit(worker.state.last_error)
        await asyncio.sleep(0.002)


async def overhead(worker: Worker, requests: int) -> tuple[float, float, float]:
    """Return medians in seconds: round trip, the model's own time, and their difference."""
    compute_s: list[float] = []
    receive = worker.receive

    def spy(message: object) -> bool:
        if isinstance(message, Result):
            compute_s.append(message.compute_ns / 1e9)
        return receive(message)

    worker.receive = spy  # type: ignore[method-assign] # the worker's own clock is not public
    trips_s, batch = [], context()
    for _ in range(WARM_UP + requests):
        started = time.perf_counter()
        await worker.forecast(batch, HORIZON, LEVELS, 60.0)
        trips_s.append(time.perf_counter() - started)
    trips, computes = np.array(trips_s[WARM_UP:]), np.array(compute_s[WARM_UP:])
    return float(np.median(trips)), float(np.median(computes)), float(np.median(trips - computes))


async def crash_seen(worker: Worker, times: int) -> list[float]:
    seen_s = []
    for _ in range(times):
        await until_ready(worker)
        request: asyncio.Task[Forecast] = asyncio.create_task(
            worker.forecast(context(), HORIZON, LEVELS, 60.0)
        )
        await asyncio.sleep(0.05)
        pid = worker.state.pid
        assert pid is not None  # noqa: S101 - it is ready
        started = time.perf_counter()
        os.kill(pid, signal.SIGKILL)
        with suppress(WorkerUnavailable):
            await request
        seen_s.append(time.perf_counter() - started)
    return seen_s


def orphan_gone() -> float:
    """Kill a daemon whose worker holds the GIL; return how long the worker outlives it."""
    runtime = tempfile.mkdtemp(prefix="ct-")
    command = [sys.executable, "-c", ORPHANAGE, runtime]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as daemon:
        assert daemon.stdout is not None  # noqa: S101 - a pipe
        pid = int(daemon.stdout.readline())
        started = time.perf_counter()
        daemon.kill()
        while runs(pid):
            time.sleep(0.0005)
        gone_s = time.perf_counter() - started
    shutil.rmtree(runtime)
    return gone_s


def runs(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def second_environment(spec: ModelSpec, environments: Path) -> tuple[float, float]:
    """Build an environment with the same packages and other code; return seconds and share."""
    other = replace(spec, worker="chronotick.plugin.echo:Echo")
    wanted = plan(other, environments, "cpu", Path)
    shutil.rmtree(wanted.directory, ignore_errors=True)
    started = time.perf_counter()
    build(wanted)
    took_s = time.perf_counter() - started
    built = {item.path: item.size_bytes for item in list_environments(environments)}
    files = (file.lstat() for file in wanted.directory.rglob("*"))
    share = built[wanted.directory] / sum(file.st_blocks * 512 for file in files)
    shutil.rmtree(wanted.directory)
    return took_s, share


def report(what: str, value: str, bar: str, *, met: bool) -> None:
    print(f"{what:<44} {value:>24}   bar {bar:<10} {'ok' if met else 'MISSED'}")


async def measure(arguments: argparse.Namespace) -> None:
    plugins = load_plugins()
    chronos, echo = plugins.find("chronos"), plugins.find("echo")
    root = arguments.environments
    held = provide(chronos, root, "cpu", progress=lambda *words: print("environment:", *words))
    bare_s = bare_round_trip(arguments.requests)
    print(f"{'pyzmq alone, frames of the same sizes':<44} {bare_s * 1e3:>21.3f} ms")
    with tempfile.TemporaryDirectory() as tiny:
        make = [str(held.interpreter), "-I", "-m", "chronotick_chronos.tiny", tiny]
        subprocess.run(make, check=True, capture_output=True)  # noqa: ASYNC221 - nothing else runs
        for spec, checkpoint in ((echo, ""), (chronos, tiny)):
            async with ready_worker(spec, checkpoint, root) as worker:
                trip, compute, extra = await overhead(worker, arguments.requests)
            words = f"{trip * 1e3:.3f} - {compute * 1e3:.3f} = {extra * 1e3:.3f} ms"
            report(f"{spec.name}: round trip - model", words, "0.3 ms", met=extra <= 0.3e-3)
    async with ready_worker(echo, "hang", root) as worker:
        seen = await crash_seen(worker, 10)
    words = f"{statistics.median(seen) * 1e3:.1f}, worst {max(seen) * 1e3:.1f} ms"
    report("kill -9 of the worker: seen after", words, "50 ms", met=max(seen) <= 0.05)
    gone = [orphan_gone() for _ in range(5)]
    words = f"{statistics.median(gone) * 1e3:.1f}, worst {max(gone) * 1e3:.1f} ms"
    report("kill -9 of the daemon, GIL held: orphan for", words, "100 ms", met=max(gone) <= 0.1)
    took_s, share = second_environment(chronos, root)
    report("second environment, same lock: time", f"{took_s:.2f} s", "1 s", met=took_s <= 1.0)
    report("second environment, same lock: disk", f"{share:.2%}", "5 %", met=share <= 0.05)
    held.release()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=500)
    parser.add_argument("--environments", type=Path, default=REPOSITORY / ".cache" / "envs")
    asyncio.run(measure(parser.parse_args()))


if __name__ == "__main__":
    main()
