"""Memory does not grow with the number of windows. The large measurement is in bench/."""

from __future__ import annotations

import gc
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np

from chronotick.config.schema import Workers
from chronotick.lab.comparing.contestants import contestants
from chronotick.lab.comparing.grids import Grid
from chronotick.lab.comparing.jobs import WINDOWS, Job
from chronotick.lab.comparing.running import Progress, run
from chronotick.lab.comparing.store import Store
from chronotick.lab.comparing.windows import ARRAYS, PER_HORIZON, WindowWriter
from chronotick.workers.procfs import resident_bytes

MIB = 2**20
S = 1_000_000_000
CONTEXT = 512
FEW, MANY = 4, 24  # jobs of 513 windows
LABEL = {"trace": "t", "host": "h", "kind": "clock", "unit": "s"}


def resident() -> int:
    gc.collect()
    found = resident_bytes(os.getpid())
    assert found is not None
    return found


def written(directory: Path, count: int) -> Grid:
    """Windows of a walk, of 2 KiB of values and as much noise each."""
    rng = np.random.default_rng(1)
    writer = WindowWriter(directory / ARRAYS, count, CONTEXT, 2)
    table = dict.fromkeys(("trend", "last", *PER_HORIZON), 0.0)
    for number in range(count):
        contexts = {"values": rng.normal(0, 1e-6, CONTEXT), "noise": np.full(CONTEXT, 1e-7)}
        writer.write(number, {**contexts, **table, "context": CONTEXT, "origin_s": number})
    writer.close()
    return Grid(step_ns=S, context=CONTEXT, steps=(1, 16))


def test_rows_of_many_windows_need_no_more_memory_than_of_few(plugins, tmp_path: Path):
    """2000 windows first, then 10 000 more, twice: 48 MiB of contexts, and as much of rows."""
    grid = written(tmp_path / "k", MANY * WINDOWS)
    compared = contestants([], plugins, Workers())
    hold, naive = (next(e for e in compared if e.name == name) for name in ("hold", "naive"))
    first = Job(
        contestant=hold,
        directory=tmp_path / "k",
        journals=tmp_path / "journals",
        key="k",
        grid=grid,
        label=LABEL,
        start=0,
        stop=WINDOWS,
    )
    jobs = [
        replace(first, contestant=each, start=number * WINDOWS, stop=(number + 1) * WINDOWS)
        for each in (hold, naive)
        for number in range(MANY)
    ]
    known: list[int] = []

    def watch(progress: Progress) -> None:
        done = sum(each for each, _total in progress.windows.values())
        if done == FEW * WINDOWS:
            known.append(resident())

    with ThreadPoolExecutor(1) as executor:
        progress = run(jobs, executor, Store(tmp_path / "out"), lanes=1, watch=watch)
    assert not progress.problems
    assert sum(done for done, _total in progress.windows.values()) == 2 * MANY * WINDOWS
    assert resident() - known[0] < 8 * MIB
