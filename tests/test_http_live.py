"""The HTTP server beside a real daemon: started by it, and surviving it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import connect

from chronotick.http.shapes import History, Models, Sources, Status
from chronotick.shm.layout import Status as State
from chronotick.views import TimeReading

pytestmark = [pytest.mark.chronyd, pytest.mark.timeout(300)]

PATIENCE_S = 60.0
MODELS = ("--models", "kalman,line,hold")


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    """Start ``chronotick http`` beside a daemon, which it outlives; return its address."""
    started: list[subprocess.Popen[str]] = []

    def start(daemon, *options: str) -> str:
        line = [sys.executable, "-m", "chronotick", "http", "--listen", "127.0.0.1:0", *options]
        environ = {**daemon.environ}
        del environ["CHRONOTICK_HISTORY__PATH"]  # the daemon says where it is
        server = subprocess.Popen(line, env=environ, stdout=subprocess.PIPE, text=True)
        started.append(server)
        assert server.stdout is not None
        return server.stdout.readline().removeprefix("listening at ").strip().rstrip("/")

    yield start
    for server in started:
        server.terminate()
        assert server.wait(timeout=30) == 0
        assert server.stdout is not None
        server.stdout.close()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_it_tells_what_the_daemon_knows(start_daemon, chronyd, serve):
    daemon = start_daemon("--server", chronyd, *MODELS)
    daemon.wait_for(State.SYNCHRONISED)
    with httpx.Client(base_url=serve(daemon), trust_env=False) as client:
        assert client.get("/readyz").status_code == 200
        before_ns = time.time_ns()
        reading = TimeReading.model_validate_json(client.get("/v1/time").content)
        after_ns = time.time_ns()
        assert reading.earliest_ns <= after_ns
        assert reading.latest_ns >= before_ns
        status = Status.model_validate_json(client.get("/v1/status").content, strict=True)
        assert status.pid == daemon.process.pid
        (source,) = Sources.model_validate_json(client.get("/v1/sources").content).sources
        assert source.id == chronyd
        models = Models.model_validate_json(client.get("/v1/models").content).models
        assert set(models) == {"kalman", "line", "hold"}

        def past() -> History:
            return History.model_validate_json(client.get("/v1/history").content)

        until(lambda: bool(past().rows.transitions and past().rows.measurements))
        assert past().rows.transitions[0].after == "warming-up"


def test_it_outlives_the_daemon_and_serves_its_successor(start_daemon, chronyd, serve):
    daemon = start_daemon("--server", chronyd, CHRONOTICK_SHM__VALIDITY_SECONDS="1.0")
    daemon.wait_for(State.SYNCHRONISED)
    address = serve(daemon)
    with (
        httpx.Client(base_url=address, trust_env=False) as client,
        connect(
            f"{address.replace('http', 'ws')}/v1/stream?rate=20", proxy=None, max_queue=None
        ) as stream,
    ):

        def told(kind: str) -> None:
            while json.loads(stream.recv(PATIENCE_S))["type"] != kind:
                pass

        told("time")
        assert client.get("/readyz").status_code == 200
        daemon.process.kill()
        daemon.process.wait()
        until(lambda: client.get("/v1/time").status_code == 503)
        answer = client.get("/v1/status")
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "daemon_unavailable")
        told("error")
        daemon.start()
        until(lambda: client.get("/readyz").status_code == 200)
        told("time")
        until(lambda: client.get("/v1/status").status_code == 200)


def test_the_daemon_starts_it_and_takes_it_along(start_daemon, chronyd, tmp_path: Path):
    path = tmp_path / "http.sock"
    daemon = start_daemon("--server", chronyd, CHRONOTICK_HTTP__LISTEN=f"unix:{path}")
    until(path.exists)
    transport = httpx.HTTPTransport(uds=str(path))
    with httpx.Client(transport=transport, base_url="http://localhost") as client:
        until(lambda: client.get("/readyz").status_code == 200)
        assert client.get("/v1/status").json()["companions"]["http"]["running"]
    daemon.process.kill()  # which has no time to say goodbye
    daemon.process.wait()
    until(lambda: not path.exists())


def test_the_daemon_itself_imports_nothing_of_it():
    line = "import sys, chronotick.daemon.app; print([m for m in sys.modules if 'http' in m])"
    environ = os.environ | {"PYTHONPATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", line], env=environ, capture_output=True, check=True
    )
    loaded = done.stdout.decode()
    assert "chronotick.http" not in loaded
    assert "uvicorn" not in loaded
