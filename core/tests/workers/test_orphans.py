"""No worker outlives its daemon, however that one ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

DAEMON = """
import asyncio, sys
from pathlib import Path
import numpy as np
from chronotick.config.schema import Workers
from chronotick.plugin import ContextBatch
from chronotick.plugin.echo import chronotick_models
from chronotick.workers import Phase, WorkerPool

async def main():
    pool = WorkerPool(Workers(), Path(sys.argv[1]))
    worker = pool.add(chronotick_models()[0], sys.argv[2])
    while worker.state.phase is not Phase.READY:
        await asyncio.sleep(0.01)
    ones = np.ones((1, 4))
    batch = ContextBatch(values=ones, noise=ones, step_s=1.0, trend_covariance=ones)
    asking = asyncio.create_task(worker.forecast(batch, 1, (0.5,), 3600.0))
    await asyncio.sleep(0.2)
    print(worker.state.pid, flush=True)
    await asking
    await asyncio.sleep(3600)

asyncio.run(main())
"""


def gone_within(pid: int, seconds: float, is_alive: Callable[[int], bool]) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not is_alive(pid):
            return True
        time.sleep(0.01)
    return False


@pytest.mark.parametrize("checkpoint", ["", "hang", "hang-gil"])
def test_no_worker_survives_a_killed_daemon(
    checkpoint: str, runtime_dir: Path, is_alive: Callable[[int], bool]
):
    daemon = subprocess.Popen(
        [sys.executable, "-c", DAEMON, str(runtime_dir), checkpoint], stdout=subprocess.PIPE
    )
    with daemon:
        pid = int(daemon.stdout.readline())
        assert is_alive(pid)
        daemon.kill()
        daemon.wait()
        assert gone_within(pid, 10.0, is_alive)  # how soon: bench/worker.py


def start_child(parent_pid: int, runtime_dir: Path) -> subprocess.Popen[bytes]:
    child = subprocess.Popen(
        [sys.executable, "-I", "-m", "chronotick.workers.child"],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    bootstrap = {
        "address": f"ipc://{runtime_dir / 'nobody'}",
        "identity": "echo/0000",
        "token": "t",
        "parent_pid": parent_pid,
    }
    child.stdin.write(json.dumps(bootstrap).encode() + b"\n")
    child.stdin.flush()
    return child


def test_child_whose_parent_died_before_it_looked_leaves(runtime_dir: Path):
    with start_child(parent_pid=1, runtime_dir=runtime_dir) as child:
        assert child.wait(10) == 5


def test_child_leaves_when_the_lifeline_is_cut(runtime_dir: Path):
    with start_child(parent_pid=os.getpid(), runtime_dir=runtime_dir) as child:
        time.sleep(0.3)
        assert child.poll() is None, child.stderr.read().decode()
        child.stdin.close()
        assert child.wait(10) == 5


@pytest.mark.parametrize("line", [b"", b"not json\n", b"{}\n", b"[1]\n"])
def test_child_started_by_hand_says_so(line: bytes):
    run = subprocess.run(
        [sys.executable, "-I", "-m", "chronotick.workers.child"],
        input=line,
        capture_output=True,
        check=False,
    )
    assert run.returncode == 6
    assert b"started by the daemon, not by hand" in run.stderr


def test_child_imports_no_more_than_it_may():
    program = (
        "import sys, chronotick.workers.serve\n"
        "print({'pydantic', 'yaml', 'click', 'asyncio', 'chronotick.config'} & set(sys.modules))\n"
    )
    run = subprocess.run(
        [sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout == "set()\n"
