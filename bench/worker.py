"""What a worker costs: overhead per forecast, crash seen, orphans.

``python bench/worker.py [--requests N] [--environments DIR]``. The environment of chronos is built
when it is not there. Nothing is compared with earlier runs: each line was measured in this one.

Overhead is the round trip less the direct call, ``model.forecast(...)`` timed where it runs, in the
worker, for one series of 512 samples and for 64 of 2048. It is measured first as it is, then once
more with a clock at both ends of the wire, which tells where it goes. Beside it stands pyzmq alone,
with frames of the same sizes and as much work between request and reply: caches that hold other
things, and processors that slept, cost it too.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ParamSpec, TypeVar
from unittest.mock import patch

import numpy as np
import zmq
from numpy.typing import NDArray

from chronotick.config.schema import Workers
from chronotick.plugin import ContextBatch, Forecast, ModelSpec, load_plugins
from chronotick.workers import (
    Phase,
    Worker,
    WorkerPool,
    WorkerUnavailable,
    command,
    launch,
    multipart,
    provide,
    router,
)
from chronotick.workers.child import Bootstrap
from chronotick.workers.inbox import Inbox
from chronotick.workers.messages import Message, Result
from chronotick.workers.restart import RestartRules
from chronotick.workers.standing import Standing

REPOSITORY = Path(__file__).parents[1]
HORIZON, LEVELS = 64, tuple(tenth / 10 for tenth in range(1, 10))
WARM_UP = 50
EAGER = RestartRules(base_s=0.01, crashes=1000)


@dataclass(frozen=True)
class Question:
    """What is asked, and how much the way there and back may cost."""

    series: int
    samples: int
    bar_s: float
    share: float  # of the requests: large ones take longer

    def __str__(self) -> str:
        return f"{self.series} x {self.samples}"

    def context(self) -> ContextBatch:
        """Random walks of that shape."""
        shape = (self.series, self.samples)
        values = np.random.default_rng(1).normal(scale=1e-7, size=shape).cumsum(axis=1)
        return ContextBatch(
            values=values,
            noise=np.full_like(values, 1e-7),
            step_s=1.0,
            trend_covariance=np.zeros((self.series, 4)),
        )


SMALL, LARGE = Question(1, 512, 0.3e-3, 1.0), Question(64, 2048, 1e-3, 0.1)

Mark = tuple[str, int, int]  # what was called, when, and when it returned, in nanoseconds
P = ParamSpec("P")
R = TypeVar("R")

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
import struct, sys, time, zmq
junk, work_ns, size = bytes(4 * 2**20), int(sys.argv[2]), int(sys.argv[3])
with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
    socket.setsockopt(zmq.IDENTITY, b"bare")
    socket.connect(sys.argv[1])
    socket.send(b"hello")
    while len(frames := socket.recv_multipart()) > 1:
        started = time.perf_counter_ns()
        while time.perf_counter_ns() - started < work_ns:
            junk.find(b"x")
        worked = struct.pack("q", time.perf_counter_ns() - started)
        socket.send_multipart([worked, bytes(size), bytes(size * 9)])
"""

CLOCKED_CHILD = """
import json, sys, time
from chronotick.workers import child, serve
marks = []
def clocked(name):
    function = getattr(serve, name)
    def call(*arguments):
        began = time.perf_counter_ns()
        result = function(*arguments)
        marks.append((name, began, time.perf_counter_ns()))
        return result
    setattr(serve, name, call)
clocked("receive_frames")
clocked("send_frames")
status = child.main()
with open(sys.argv[1], "w") as file:
    json.dump(marks, file)
sys.exit(status)
"""


def bare_round_trip(question: Question, requests: int, work_s: float) -> float:
    """Return the median of pyzmq alone with frames of the same sizes, for comparison.

    ``work_s`` is how long the other side works, on memory, before it replies; it is taken off.
    """
    with tempfile.TemporaryDirectory() as folder, zmq.Context() as bare:
        address = f"ipc://{folder}/bare"
        work_ns, size = int(work_s * 1e9), 8 * question.series * HORIZON
        command = [sys.executable, "-c", BARE_ECHO, address, str(work_ns), str(size)]
        with bare.socket(zmq.ROUTER) as socket:
            socket.bind(address)
            with subprocess.Popen(command):
                socket.recv_multipart()
                array = bytes(8 * question.series * question.samples)
                frames = [b"bare", bytes(260), array, array, bytes(32 * question.series)]
                trips_ns = []
                for _ in range(requests):
                    started = time.perf_counter_ns()
                    socket.send_multipart(frames)
                    _, worked, *_ = socket.recv_multipart()
                    took_ns = time.perf_counter_ns() - started
                    trips_ns.append(took_ns - int.from_bytes(worked, "little"))
                socket.send_multipart([b"bare", b"end"])
    return statistics.median(trips_ns) / 1e9


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


@dataclass(frozen=True)
class Trips:
    """Forecasts one after another, in seconds: ``[request]`` each.

    Attributes:
        began_s: when each was asked for, on the machine's monotonic clock.
        took_s: from asking to having the forecast.
        model_s: of that, the model's own time.
    """

    began_s: NDArray[np.float64]
    took_s: NDArray[np.float64]
    model_s: NDArray[np.float64]

    def medians(self) -> tuple[float, float, float]:
        """Round trip, the model's own time, and their difference."""
        parts = (self.took_s, self.model_s, self.took_s - self.model_s)
        took_s, model_s, extra_s = (float(np.median(part)) for part in parts)
        return took_s, model_s, extra_s


async def travel(worker: Worker, question: Question, requests: int) -> Trips:
    model_ns: list[int] = []
    receive = worker.receive

    def spy(message: Message) -> bool:
        if isinstance(message, Result):
            model_ns.append(message.compute_ns)
        return receive(message)

    worker.receive = spy  # type: ignore[method-assign] # the worker's own clock is not public
    times_ns, batch = [], question.context()
    warm_up = min(WARM_UP, requests)
    for _ in range(warm_up + requests):
        began_ns = time.perf_counter_ns()
        await worker.forecast(batch, HORIZON, LEVELS, 60.0)
        times_ns.append((began_ns, time.perf_counter_ns() - began_ns))
    began, took = np.array(times_ns[warm_up:]).T / 1e9
    return Trips(began, took, np.array(model_ns[warm_up:]) / 1e9)


async def stages(
    spec: ModelSpec, checkpoint: str, environments: Path, question: Question, requests: int
) -> dict[str, float]:
    """Return the medians of the parts of the overhead, with a clock at both ends of the wire.

    Both processes read the same monotonic clock.
    """
    here: list[Mark] = []
    start = launch._start  # noqa: SLF001 - where the worker's program is chosen

    def start_clocked(
        command: Sequence[str],
        variables: Mapping[str, str],
        bootstrap: Bootstrap,
        standing: Standing,
    ) -> subprocess.Popen[bytes]:
        script.write(CLOCKED_CHILD)
        script.flush()
        program = [*command[:-1], script.name, file.name]
        return start(program, variables, bootstrap, standing)

    with (
        tempfile.NamedTemporaryFile(suffix=".json") as file,
        tempfile.NamedTemporaryFile("w", suffix=".py") as script,
        patch.object(launch, "_start", start_clocked),
        patch.object(router, "send_frames", clocked("send", here, multipart.send_frames)),
        patch.object(Inbox, "receive", clocked("receive", here, Inbox.receive)),
    ):
        async with ready_worker(spec, checkpoint, environments) as worker:
            trips = await travel(worker, question, requests)
        there: list[Mark] = json.load(file)
    return parts_of(trips, here, there)


def clocked(name: str, marks: list[Mark], function: Callable[P, R]) -> Callable[P, R]:
    """Let a function note when it was called and when it returned."""

    def call(*arguments: P.args, **options: P.kwargs) -> R:
        began_ns = time.perf_counter_ns()
        result = function(*arguments, **options)
        marks.append((name, began_ns, time.perf_counter_ns()))
        return result

    return call


def parts_of(trips: Trips, here: Sequence[Mark], there: Sequence[Mark]) -> dict[str, float]:
    # The calls that send and receive belong to the wire, as they do in pyzmq alone.
    sent_s = first_after(trips.began_s, [begin for name, begin, _ in here if name == "send"])
    back_s = first_after(trips.began_s, [end for name, _, end in here if name == "receive"])
    got_s = first_after(trips.began_s, [end for name, _, end in there if name == "receive_frames"])
    replied_s = first_after(got_s, [begin for name, begin, _ in there if name == "send_frames"])
    parts = {
        "daemon, before the wire": sent_s - trips.began_s,
        "wire, request": got_s - sent_s,
        "worker, without the model": replied_s - got_s - trips.model_s,
        "wire, reply": back_s - replied_s,
        "daemon, after the wire": trips.began_s + trips.took_s - back_s,
    }
    return {name: float(np.median(part)) for name, part in parts.items()}


def first_after(since_s: NDArray[np.float64], marks_ns: Sequence[int]) -> NDArray[np.float64]:
    marks_s = np.array(marks_ns) / 1e9
    return np.asarray(marks_s[np.searchsorted(marks_s, since_s)])


async def crash_seen(worker: Worker, times: int) -> list[float]:
    seen_s = []
    for _ in range(times):
        await until_ready(worker)
        request: asyncio.Task[Forecast] = asyncio.create_task(
            worker.forecast(SMALL.context(), HORIZON, LEVELS, 60.0)
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


def report(what: str, value: str, bar: str, *, met: bool) -> None:
    print(f"{what:<44} {value:>24}   bar {bar:<10} {'met' if met else 'MISSED'}")


async def overhead(
    spec: ModelSpec, checkpoint: str, root: Path, question: Question, requests: int
) -> None:
    requests = max(10, round(requests * question.share))
    async with ready_worker(spec, checkpoint, root) as worker:
        trip_s, model_s, extra_s = (await travel(worker, question, requests)).medians()
    words = f"{trip_s * 1e3:.3f} - {model_s * 1e3:.3f} = {extra_s * 1e3:.3f} ms"
    bar = f"{question.bar_s * 1e3:g} ms"
    report(f"{spec.name}, {question}: trip - model", words, bar, met=extra_s <= question.bar_s)
    for part, took_s in (await stages(spec, checkpoint, root, question, requests)).items():
        print(f"  {part:<42} {took_s * 1e3:>21.3f} ms")
    for what, work_s in (("at once", 0.0), ("after work as long as the model's", model_s)):
        bare_s = bare_round_trip(question, requests, work_s)
        print(f"  {f'pyzmq alone, reply {what}':<52} {bare_s * 1e3:>11.3f} ms")


async def measure(arguments: argparse.Namespace) -> None:
    plugins = load_plugins()
    chronos, echo = plugins.find("chronos"), plugins.find("echo")
    root = arguments.environments
    held = provide(chronos, root, "cpu", progress=lambda *words: print("environment:", *words))
    with tempfile.TemporaryDirectory() as tiny:
        make = command(
            held, "chronotick.plugin.random_weights", chronos.random_weights, tiny, "tiny-bolt"
        )
        subprocess.run(make, check=True, capture_output=True)  # noqa: ASYNC221 - nothing else runs
        for spec, checkpoint in ((echo, ""), (chronos, tiny)):
            for question in (SMALL, LARGE):
                await overhead(spec, checkpoint, root, question, arguments.requests)
    async with ready_worker(echo, "hang", root) as worker:
        seen = await crash_seen(worker, 10)
    words = f"{statistics.median(seen) * 1e3:.1f}, worst {max(seen) * 1e3:.1f} ms"
    report("kill -9 of the worker: seen after", words, "50 ms", met=max(seen) <= 0.05)
    gone = [orphan_gone() for _ in range(5)]
    words = f"{statistics.median(gone) * 1e3:.1f}, worst {max(gone) * 1e3:.1f} ms"
    report("kill -9 of the daemon, GIL held: orphan for", words, "100 ms", met=max(gone) <= 0.1)
    held.release()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=500)
    parser.add_argument("--environments", type=Path, default=REPOSITORY / ".cache" / "envs")
    asyncio.run(measure(parser.parse_args()))


if __name__ == "__main__":
    main()
