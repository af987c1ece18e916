"""Models in processes of their own, inside a running daemon: none may harm the clock."""

from __future__ import annotations

import os
import signal
import time
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


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat").read_text()
    return stat.rsplit(")", 1)[1].split()[0] != "Z"


def worker_pid(daemon) -> int:
    where = daemon.ask("models")["echo"]["where"]
    return int(where.split()[1])


def start_echo(start_daemon, chronyd, switches: str = "", **variables: str):
    options = ["--checkpoint", f"echo={switches}"] if switches else []
    daemon = start_daemon(
        "--server", chronyd, "--models", "kalman,echo", *options, **(FAST | variables)
    )
    daemon.wait_for(Status.SYNCHRONISED)
    return daemon


def state(daemon) -> str:
    return daemon.ask("models")["echo"]["state"]


def test_a_model_in_a_worker_proves_itself_and_gains_weight(start_daemon, chronyd):
    daemon = start_echo(start_daemon, chronyd)
    daemon.wait_until(lambda: daemon.ask("models")["echo"]["weight"] > 0.001)
    models = daemon.ask("models")
    assert models["echo"]["skill"]
    assert models["kalman"]["weight"] > 0
    assert daemon.ask("status")["success_rate"] > 0


def test_kill_of_the_worker_leaves_the_clock_running_and_the_worker_comes_back(
    start_daemon, chronyd
):
    daemon = start_echo(start_daemon, chronyd)
    daemon.wait_until(lambda: state(daemon) == "ready")
    clock, pid = daemon.clock, worker_pid(daemon)
    clock.now()
    published = daemon.ask("status")["publication"]["published"]
    os.kill(pid, signal.SIGKILL)
    for _ in range(50):
        now = clock.now()  # raises if it is not synchronised
        assert now.earliest_ns <= time.time_ns()
        time.sleep(0.01)
    assert daemon.ask("status")["publication"]["published"] >= published + 4
    daemon.wait_until(lambda: state(daemon) == "ready" and worker_pid(daemon) != pid)
    assert daemon.ask("models")["echo"]["restarts"] == 1
    assert "killed" in daemon.ask("models")["echo"]["last_error"].lower()


@pytest.mark.parametrize("switches", ["", "hang-gil"])
def test_no_worker_survives_the_daemon(start_daemon, chronyd, switches):
    daemon = start_echo(start_daemon, chronyd, switches)
    daemon.wait_until(lambda: state(daemon) == "ready")
    pid = worker_pid(daemon)
    time.sleep(1)  # with hang-gil: the first forecast has been asked for
    daemon.process.kill()
    daemon.process.wait()
    deadline = time.monotonic() + 1
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not alive(pid)


@pytest.mark.parametrize(
    "switches", ["crash-on-load", "crash-on-forecast", "hang", "nan", "wrong-shape", "stderr-flood"]
)
def test_whatever_a_model_does_the_clock_goes_on(start_daemon, chronyd, switches):
    daemon = start_echo(start_daemon, chronyd, switches)
    clock = daemon.clock
    for _ in range(30):
        before, now, after = time.time_ns(), clock.now(), time.time_ns()
        assert now.earliest_ns <= after
        assert now.latest_ns >= before
        time.sleep(0.1)
    status = daemon.ask("status")
    assert status["status"] == "synchronised"
    assert status["publication"]["missed"] < 30


def test_an_environment_that_is_not_built_is_explained(start_daemon, chronyd, tmp_path):
    daemon = start_daemon(
        "--server",
        chronyd,
        "--models",
        "kalman,chronos",
        CHRONOTICK_WORKERS__BUILD="false",
        XDG_DATA_HOME=str(tmp_path),
    )
    daemon.wait_for(Status.SYNCHRONISED)
    daemon.wait_until(lambda: daemon.ask("models")["chronos"]["state"] == "broken")
    assert "chronotick envs sync chronos" in daemon.ask("models")["chronos"]["last_error"]
    assert any("chronos" in problem for problem in daemon.ask("status")["problems"])


def test_reload_adds_and_removes_a_worker(start_daemon, chronyd, tmp_path):
    path = tmp_path / "config.yaml"
    head = f"clock_measurement: {{ntp: {{servers: ['{chronyd}']}}}}\n"
    path.write_text(head)
    daemon = start_daemon("--config", str(path), **FAST)
    daemon.wait_for(Status.SYNCHRONISED)
    for models, present in (("[echo]", True), ("[line]", False), ("[echo]", True)):
        path.write_text(f"{head}short_term: {{models: {models}}}\n")
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_until(lambda expected=present: ("echo" in daemon.ask("models")) is expected)
    daemon.wait_until(lambda: state(daemon) == "ready")
    assert daemon.status is Status.SYNCHRONISED
