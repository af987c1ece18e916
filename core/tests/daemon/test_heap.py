"""Memory that is free goes back to the system."""

from __future__ import annotations

import asyncio
import ctypes
import subprocess
import sys
from pathlib import Path

import pytest

from chronotick.config.schema import Config
from chronotick.daemon.app import Daemon
from chronotick.plugin.registry import Discovery

CHURN = """
import resource
from chronotick.daemon.heap import trim_heap

def resident_kib():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() // 1024

kept = [bytearray(8000) for _ in range(4000)]  # below what malloc maps by itself
last = kept[-1]  # the heap cannot shrink from its end
del kept
before = resident_kib()
trim_heap()
print(before - resident_kib())
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="not glibc's malloc")
def test_free_memory_between_what_is_in_use_is_given_back():
    done = subprocess.run(
        [sys.executable, "-c", CHURN], capture_output=True, text=True, check=True, timeout=60
    )
    assert int(done.stdout) > 20_000


async def test_a_running_daemon_does_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    trimmed = asyncio.Event()
    monkeypatch.setattr("chronotick.daemon.app.trim_heap", trimmed.set)
    config = Config.model_validate(
        {
            "shm": {"path": tmp_path / "record"},
            "control": {"socket": tmp_path / "control.sock"},
            "history": {"path": tmp_path / "history.sqlite3"},
            "clock_measurement": {"ntp": {"servers": ["127.0.0.1:9"]}},
        }
    )
    daemon = Daemon(config, Discovery(), lambda: config)
    running = asyncio.create_task(daemon.run())
    await trimmed.wait()
    daemon._stop.set()
    await running
