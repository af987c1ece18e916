"""What ``chronotick compare`` costs: windows/s of a model, and memory as windows become many.

``python bench/compare.py [--sizes tiny-bolt,bolt-small] [--most 10000] [--only batching|memory]``,
``--most 100000`` for the whole bar. Nothing is compared with earlier runs: each line was measured
in this one. The environment of chronos is built when it is not there.

Batching: Chronos with random weights through a comparison, beside its library called directly in
one process of the same environment with the same windows, batches, one thread and the variables of
a worker (that keeps freed memory, which alone makes small sizes a tenth faster). They take turns, a
job each: what else the machine does hits both, and CPU time hardly notices. A job asks for one
window alone, the rest in batches, and its rows are written; making windows and loading weights
count on neither side. ``tiny-bolt`` is of no published size: it shows what a window costs beside
the model, which is why no bar is held against it.

Memory: the largest resident memory (VmHWM) of the command, and of processes it starts that are no
model's: when all windows were made, when all were asked and their rows kept, and at its end, when
the leaderboard was shown; for 1,000 windows and more of the same trace, whose origins come closer.
Then of ``chronotick results show`` and ``report``. None of them holds all rows at once: rows are
read in parts, and for each window that is judged the size of an error is kept.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import ParamSpec, TypeVar

import psutil
import pyarrow.parquet as pq

from chronotick.config.schema import Workers
from chronotick.lab.comparing import Origins, Preparation, Settings, compare_traces
from chronotick.lab.comparing.jobs import MODEL_METADATA, WINDOWS, Job, Outcome
from chronotick.lab.traces import Traces, read_traces
from chronotick.plugin import ModelSpec, load_plugins
from chronotick.testing import random_checkpoint
from chronotick.workers import provide
from chronotick.workers.launch import worker_variables
from chronotick.workers.procfs import peak_bytes

REPOSITORY = Path(__file__).parents[1]
ENVIRONMENTS = os.environ.get("CHRONOTICK_WORKERS__ENVIRONMENTS", REPOSITORY / ".cache" / "envs")
CONTEXT, STEPS, CADENCE_S = 512, 64, 8
HORIZON_S = float(STEPS * CADENCE_S)
WARM_UP_S = 7200.0  # of a comparison, by default
SPARE_S = 1800.0  # of a trace, so that the last origin has a target
TURNS = {"tiny-bolt": 8, "bolt-tiny": 6}
FEW_TURNS = 3  # of the larger sizes
NO_BAR = {"tiny-bolt"}
BAR = 0.9
FEWEST, MEASUREMENTS = 1000, 4000
LOOK_S = 0.05
FLAT = 1.1  # times the memory that 1,000 windows take
MB = 1e6

DIRECT = """
import sys, time
import numpy as np, torch
from chronos import BaseChronosPipeline

checkpoint, contexts, steps = sys.argv[1], sys.argv[2], int(sys.argv[3])
torch.set_num_threads(1)
pipeline = BaseChronosPipeline.from_pretrained(checkpoint, device_map="cpu", dtype=torch.float32)
series = np.load(contexts, mmap_mode="r")
levels = [tenth / 10 for tenth in range(1, 10)]
print("ready", flush=True)
for line in sys.stdin:
    start, stop, batch = map(int, line.split())
    began, cpu = time.perf_counter(), time.process_time()
    for first in range(start, stop, batch):
        asked = torch.from_numpy(np.array(series[first : min(first + batch, stop)]))
        with torch.inference_mode():  # a little faster than what the library does by itself
            pipeline.predict_quantiles(asked, prediction_length=steps, quantile_levels=levels)
    print(time.perf_counter() - began, time.process_time() - cpu, flush=True)
"""

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Spent:
    """Windows, and what they took in s."""

    windows: int
    wall_s: float
    cpu_s: float


@dataclass(frozen=True)
class Turn:
    """The same windows on both ways.

    Attributes:
        batch: windows at once.
        asked: through a comparison, as its rows say: calls of the model alone.
        ours: through a comparison, all of it.
        theirs: the library called directly.
    """

    batch: int
    asked: Spent
    ours: Spent
    theirs: Spent


class Direct:
    """The library in a process of its own, with the windows of a comparison."""

    def __init__(self, interpreter: Path, checkpoint: Path, contexts: Path) -> None:
        program = ["-W", "ignore", "-c", DIRECT, checkpoint, contexts, STEPS]
        self._process = subprocess.Popen(
            [str(interpreter), *map(str, program)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=worker_variables(os.environ, threads=1, offline=True),
        )
        self.pid = self._process.pid
        self._read()

    def ask(self, start: int, stop: int, batch: int) -> Spent:
        """Let it forecast from windows ``start`` to ``stop``."""
        assert self._process.stdin is not None  # noqa: S101 - a pipe
        self._process.stdin.write(f"{start} {stop} {batch}\n")
        self._process.stdin.flush()
        wall_s, cpu_s = map(float, self._read().split())
        return Spent(stop - start, wall_s, cpu_s)

    def close(self) -> None:
        """End it."""
        self._process.communicate()

    def _read(self) -> str:
        assert self._process.stdout is not None  # noqa: S101 - a pipe
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("the library called directly ended; run DIRECT by hand to see why")
        return line


class Turns(Executor):
    """Does each job at once; then the library has the same windows."""

    def __init__(self, direct: Direct) -> None:
        self.turns: list[Turn] = []
        self._direct = direct
        self._wall_s, self._cpu_s = time.perf_counter(), self._cpu()

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Do a job; what it took counts from the end of the last turn, keeping rows included."""
        future: Future[R] = Future()
        done = fn(*args, **kwargs)
        wall_s, cpu_s = time.perf_counter() - self._wall_s, self._cpu() - self._cpu_s
        job, outcome = args[0], done
        assert isinstance(job, Job)  # noqa: S101 - windows are there, so that only jobs are left
        assert isinstance(outcome, Outcome)  # noqa: S101 - what a job comes to
        told = json.loads(outcome.rows.schema.metadata[MODEL_METADATA])
        windows, batch = job.stop - job.start, int(told["batch"])
        whole = job.start + max(windows // batch, 1) * batch
        theirs = self._direct.ask(job.start, min(whole, job.stop), batch)
        asked = Spent(windows, float(told["compute_s"]), 0.0)
        self.turns.append(Turn(batch, asked, Spent(windows, wall_s, cpu_s), theirs))
        self._wall_s, self._cpu_s = time.perf_counter(), self._cpu()
        future.set_result(done)
        return future

    def _cpu(self) -> float:
        """CPU time of this process and of the model's."""
        own = psutil.Process()
        each = [own, *(child for child in own.children() if child.pid != self._direct.pid)]
        times = [process.cpu_times() for process in each]
        return sum(part.user + part.system for part in times)


def simulated(directory: Path, windows: int) -> Traces:
    """A trace with as many windows, an origin each measurement."""
    seconds = WARM_UP_S + windows * CADENCE_S + SPARE_S
    options = ["--servers", "1", "--poll", f"{CADENCE_S}s", "--duration", f"{seconds:.0f}s"]
    run_cli("lab", "simulate", "wan-hvac", "--out", str(directory), *options)
    return read_traces([str(directory)])


def run_cli(*arguments: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "chronotick", *arguments], check=True, capture_output=True
    )


def measure_batching(chronos: ModelSpec, workers: Workers, size: str, place: Path) -> None:
    """Print windows/s of one size on both ways."""
    checkpoint = random_checkpoint(chronos, place / size, workers, size)
    count = (1 + TURNS.get(size, FEW_TURNS)) * WINDOWS
    traces = simulated(place / f"world-{count}", count)
    origins = Origins(warm_up_s=WARM_UP_S, every_s=float(CADENCE_S), windows=count)
    preparation = Preparation(horizons_s=(HORIZON_S,), context=CONTEXT, origins=origins)
    chosen = workers.model_copy(update={"checkpoints": {"chronos": str(checkpoint)}, "threads": 1})
    settings = Settings(preparation=preparation, workers=chosen, device="cpu")
    out = place / f"results-{count}"
    compare_traces((), traces, settings, out)
    (contexts,) = (out / "windows").glob("*/arrays/values.npy")
    held = provide(chronos, workers.environments, "cpu")
    direct = Direct(held.interpreter, checkpoint, contexts)
    turns = Turns(direct)
    compare_traces(("chronos",), traces, settings, out, executor=turns, lanes=1)
    direct.close()
    held.release()
    show_batching(size, turns.turns[1:])  # in the first it is loaded, and learns its batches


def show_batching(size: str, turns: Sequence[Turn]) -> None:
    batches = ", ".join(map(str, sorted({turn.batch for turn in turns})))
    print(f"{size}: {len(turns)} turns of {WINDOWS} windows, batches of {batches}")
    theirs = [turn.theirs for turn in turns]
    print(f"  {'library called directly':<42} {_rate(theirs):9.1f} windows/s")
    for what, ours in (
        ("compare, calls of the model, as rows say", [turn.asked for turn in turns]),
        ("compare, all of the asking", [turn.ours for turn in turns]),
    ):
        ratios = sorted(_rate([a]) / _rate([b]) for a, b in zip(ours, theirs, strict=True))
        median = statistics.median(ratios)
        words = f"{median:.3f} of it ({ratios[0]:.3f} to {ratios[-1]:.3f}){_verdict(size, median)}"
        print(f"  {what:<42} {_rate(ours):9.1f} windows/s  {words}")
    ours_s, theirs_s = (_cpu_s(side) for side in ([turn.ours for turn in turns], theirs))
    words = f"{theirs_s / ours_s:.3f} of it: {(ours_s - theirs_s) * 1e6:.0f} us more per window"
    print(f"  {'compare, by CPU time':<42} {1 / ours_s:9.1f} windows/s  {words}", flush=True)


def _rate(spent: Sequence[Spent]) -> float:
    return sum(each.windows for each in spent) / sum(each.wall_s for each in spent)


def _cpu_s(spent: Sequence[Spent]) -> float:
    """CPU time of one window."""
    return sum(each.cpu_s for each in spent) / sum(each.windows for each in spent)


def _verdict(size: str, ratio: float) -> str:
    if size in NO_BAR:
        return ""
    return f"  bar {BAR}: {'met' if ratio >= BAR else 'MISSED'}"


@dataclass
class Peaks:
    """Largest resident memory so far, in bytes, of a command and of its helpers."""

    command: int = 0
    helpers: dict[int, int] = field(default_factory=dict)

    def look(self, process: psutil.Process) -> None:
        """See how large they are."""
        self.command = max(self.command, peak_bytes(process.pid))
        try:
            for child in process.children():
                if any("multiprocessing" in word for word in child.cmdline()):
                    known = self.helpers.get(child.pid, 0)
                    self.helpers[child.pid] = max(known, peak_bytes(child.pid))
        except psutil.NoSuchProcess:
            return

    @property
    def both(self) -> tuple[float, float]:
        """Of the command and of the largest helper, in MB."""
        return self.command / MB, max(self.helpers.values(), default=0) / MB


@contextmanager
def watched(command: Sequence[str]) -> Iterator[tuple[subprocess.Popen[str], Peaks]]:
    """Run a command of ours and look at its memory all the time."""
    process = subprocess.Popen(
        [sys.executable, "-m", "chronotick", *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    peaks, ended = Peaks(), threading.Event()

    def look() -> None:
        seen = psutil.Process(process.pid)
        while not ended.wait(LOOK_S):
            peaks.look(seen)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield process, peaks
    finally:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        ended.set()
        looking.join()
        peaks.command = max(peaks.command, usage.ru_maxrss * 1024)
    if process.returncode:
        raise SystemExit(f"chronotick {' '.join(command)}: status {process.returncode}")


def stages(command: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Peaks in MB of a command and its helpers: windows made, all asked, and at the end."""
    found: dict[str, tuple[float, float]] = {}
    with watched(command) as (process, peaks):
        assert process.stderr is not None  # noqa: S101 - a pipe
        for line in process.stderr:
            if line.startswith("asked:"):
                peaks.look(psutil.Process(process.pid))
                found.setdefault("made", peaks.both)
                found["asked"] = peaks.both
    return found | {"end": peaks.both}


@dataclass(frozen=True)
class Needed:
    """Largest resident memory so far, in MB: see the top of this file."""

    rows: int
    made: float
    asked: float
    end: float
    show: float
    report: float


def measure_memory(place: Path, most: int) -> None:
    world = place / "world-memory"
    simulated(world, MEASUREMENTS)
    titles = ("made", "asked", "end", "show", "report", "MB on disk")
    print(f"{'windows':>8}  {'models':<16} {'rows':>8}" + "".join(f"{each:>11}" for each in titles))
    for models in ("", "echo"):
        known: list[Needed] = []
        windows = FEWEST
        while windows <= most:
            out = place / f"memory-{windows}"
            known.append(needed(world, windows, models, out))
            told = "".join(f"{each:11.0f}" for each in (*astuple(known[-1])[1:], size_mb(out)))
            print(f"{windows:>8}  {models or 'yardsticks only':<16} {known[-1].rows:>8}{told}")
            windows *= 10
        show_growth(known[0], known[-1])


def needed(world: Path, windows: int, models: str, out: Path) -> Needed:
    """Measure a comparison and the commands that look at its results."""
    every_s = MEASUREMENTS * CADENCE_S / windows
    options = ["--traces", str(world), "--out", str(out), "--horizons", f"{HORIZON_S:g}s"]
    options += ["--context", str(CONTEXT), "--windows", str(windows), "--every", f"{every_s:.3f}s"]
    found = stages(["compare", *options, "--models", models, "--format", "none"])
    show, report = (stages(["results", verb, str(out)])["end"][0] for verb in ("show", "report"))
    return Needed(
        rows=sum(pq.read_metadata(path).num_rows for path in out.glob("rows/*/*.parquet")),
        made=max(found["made"]),
        asked=max(found["asked"]),
        end=max(found["end"]),
        show=show,
        report=report,
    )


def show_growth(first: Needed, last: Needed) -> None:
    rows = max(last.rows - first.rows, 1)
    for stage in ("made", "asked", "end", "show", "report"):
        before, after = getattr(first, stage), getattr(last, stage)
        met = "met" if after / before <= FLAT else "MISSED"
        more = f"{(after - before) * MB / rows:.0f} bytes more per row"
        print(f"  {stage:<8} {after / before:.2f} of the first, {more}; bar {FLAT}: {met}")


def size_mb(directory: Path) -> float:
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file()) / MB


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="tiny-bolt,bolt-small", help="of Chronos")
    parser.add_argument("--most", type=int, default=10_000, help="windows, for memory")
    parser.add_argument("--only", choices=["batching", "memory"])
    parser.add_argument("--environments", type=Path, default=ENVIRONMENTS)
    arguments = parser.parse_args()
    workers = Workers(environments=arguments.environments, offline=True)
    with tempfile.TemporaryDirectory(prefix="ct-compare-") as name:
        if arguments.only != "memory":
            chronos = load_plugins().find("chronos")
            provide(chronos, workers.environments, "cpu").release()
            for size in arguments.sizes.split(","):
                measure_batching(chronos, workers, size, Path(name))
        if arguments.only != "batching":
            measure_memory(Path(name), arguments.most)


if __name__ == "__main__":
    main()
