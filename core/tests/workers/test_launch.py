"""Processes: their variables, their output, their end."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from chronotick.workers.child import Bootstrap
from chronotick.workers.launch import Launcher, WorkerProcess, worker_variables
from chronotick.workers.leases import Lease
from chronotick.workers.output import OutputTail

LOGGER = logging.getLogger("chronotick.workers.test")


def spawn(program: str) -> WorkerProcess:
    popen = subprocess.Popen(
        [sys.executable, "-I", "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        bufsize=0,
    )
    return WorkerProcess(popen, LOGGER)


async def test_a_worker_that_no_descriptor_is_left_to_watch_does_not_stay_behind(monkeypatch):
    """It ran on unknown to anybody, for as long as the daemon did."""
    started: list[int] = []

    def pidfd_open(pid: int) -> int:
        started.append(pid)
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(os, "pidfd_open", pidfd_open)
    bootstrap = Bootstrap(address="", identity="", token="", parent_pid=os.getpid())
    launcher, lease = Launcher(), Lease(Path(sys.executable))
    with pytest.raises(OSError, match="Too many open files"):
        await launcher.launch(
            lease, bootstrap, worker_variables({}, threads=1, offline=True), LOGGER
        )
    launcher.close()
    with pytest.raises(ProcessLookupError):
        os.kill(started[0], 0)


def test_variables_are_an_allow_list():
    environ = {
        "HOME": "/h",
        "HF_HOME": "/hf",
        "PYTHONPATH": "x",
        "VIRTUAL_ENV": "x",
        "UV_INDEX": "x",
        "LD_PRELOAD": "x",
        "OMP_NUM_THREADS": "64",
    }
    chosen = worker_variables(environ, threads=2, offline=False)
    assert set(chosen) == {
        "HOME",
        "HF_HOME",
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "OMP_WAIT_POLICY",
        "MALLOC_MMAP_THRESHOLD_",
        "MALLOC_TRIM_THRESHOLD_",
        "TOKENIZERS_PARALLELISM",
    }
    assert (chosen["OMP_NUM_THREADS"], chosen["OMP_WAIT_POLICY"]) == ("2", "PASSIVE")


def test_offline_reaches_the_hub_library():
    assert worker_variables({}, threads=1, offline=True)["HF_HUB_OFFLINE"] == "1"


async def test_exit_status_and_last_words_are_there_together():
    process = spawn("print('x' * 100_000); print('last words'); raise SystemExit(7)")
    assert await asyncio.wait_for(process.exited, 10) == 7
    assert process.output.text(1) == "last words"


async def test_end_is_gentle_first(until: Callable[..., Awaitable[None]]):
    process = spawn("import time; print('up', flush=True); time.sleep(60)")
    await until(process.output.text)
    assert await process.end(10.0) == -signal.SIGTERM


async def test_end_is_certain(until: Callable[..., Awaitable[None]]):
    process = spawn(
        "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('up', flush=True)\ntime.sleep(60)"
    )
    await until(process.output.text)
    assert await process.end(0.1) == -signal.SIGKILL


async def test_what_a_worker_started_ends_with_it(is_alive: Callable[[int], bool]):
    """A child that keeps the pipe open must neither survive nor hold anything up."""
    process = spawn(
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "print(child.pid, flush=True)"
    )
    assert await asyncio.wait_for(process.exited, 10) == 0
    child = int(process.output.text(1))
    for _ in range(200):
        if not is_alive(child):
            break
        await asyncio.sleep(0.01)
    assert not is_alive(child)


def test_lines_go_to_the_log(caplog: pytest.LogCaptureFixture):
    reading, writing = os.pipe()
    tail = OutputTail(reading, LOGGER)
    with caplog.at_level(logging.DEBUG, LOGGER.name):
        os.write(writing, b"one\ntw")
        assert tail.read_some()
        os.write(writing, b"o\n")
        assert tail.read_some()
    os.close(writing)
    assert not tail.read_some()
    os.close(reading)
    assert [record.message for record in caplog.records] == ["one", "two"]


@pytest.mark.parametrize("level", [logging.DEBUG, logging.INFO])
def test_line_without_end_stays_bounded(level: int, caplog: pytest.LogCaptureFixture):
    reading, writing = os.pipe()
    tail = OutputTail(reading, LOGGER)
    with caplog.at_level(level, LOGGER.name):
        for _ in range(10):
            os.write(writing, b"x" * 30_000)
            tail.read_some()
    assert len(tail._kept) == 64 * 1024
    assert len(tail._line) <= 1000
    os.close(writing)
    os.close(reading)
