"""A model on another machine, inside a running daemon: a real server, a real time server."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chronotick.shm.layout import Status

pytestmark = pytest.mark.chronyd

FAST = {
    "CHRONOTICK_CLOCK_MEASUREMENT__TIMING__NORMAL_OPERATION__MEASUREMENT_INTERVAL": "1",
    "CHRONOTICK_CLOCK_MEASUREMENT__TIMING__NORMAL_OPERATION__MAX_INTERVAL": "2",
    "CHRONOTICK_SHORT_TERM__INFERENCE_INTERVAL": "0.5",
    "CHRONOTICK_SHORT_TERM__STEP": "1",
    "CHRONOTICK_FUSION__MIN_SCORES": "2",
}


def worker_command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "chronotick", "worker", *map(str, arguments)]


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """Keys of clock and server, exchanged as docs/remote.md says."""
    for machine in ("clock", "server"):
        subprocess.run(worker_command("keygen", "--out", tmp_path / machine), check=True)
    for machine, target in (("clock", "allowed"), ("server", "clock/127.0.0.1.pub")):
        with (tmp_path / target).open("wb") as file:
            command = worker_command("key", "--keys", tmp_path / machine)
            subprocess.run(command, stdout=file, check=True)
    return tmp_path


@pytest.fixture
def server(keys: Path) -> Iterator[Callable[[], bool]]:
    command = worker_command(
        "serve",
        *("--model", "echo"),
        *("--listen", "tcp://127.0.0.1:0"),
        *("--keys", keys / "server"),
        *("--allow", keys / "allowed"),
    )
    with (keys / "server.log").open("wb") as log:
        process = subprocess.Popen(command, stderr=log)
    yield process
    process.kill()
    process.wait()


def test_a_remote_model_is_asked_scored_and_not_missed_when_it_is_gone(
    start_daemon, chronyd, server, keys: Path
):
    log = keys / "server.log"
    while not (found := re.search(r"serving echo on (tcp://\S+)", log.read_text())):
        assert server.poll() is None, log.read_text()
        time.sleep(0.05)  # the test's own limit ends this
    daemon = start_daemon(
        *("--server", chronyd),
        *("--models", "kalman,echo"),
        *("--remote", f"echo={found[1]}"),
        CHRONOTICK_WORKERS__KEYS=str(keys / "clock"),
        **FAST,
    )
    daemon.wait_for(Status.SYNCHRONISED)
    daemon.wait_until(lambda: daemon.ask("models")["echo"]["state"] == "ready")
    daemon.wait_until(lambda: bool(daemon.ask("models")["echo"]["skill"]))
    echo = daemon.ask("models")["echo"]
    assert (echo["where"], echo["memory_mb"]) == (found[1], None)
    assert echo["answers"] > 0
    server.send_signal(signal.SIGKILL)
    daemon.wait_until(lambda: daemon.ask("models")["echo"]["state"] in ("backoff", "connecting"))
    daemon.wait_until(lambda: "nobody answers" in daemon.ask("models")["echo"]["last_error"])
    published = daemon.ask("status")["publication"]["published"]
    daemon.wait_until(lambda: daemon.ask("status")["publication"]["published"] > published + 5)
    assert daemon.status is Status.SYNCHRONISED
