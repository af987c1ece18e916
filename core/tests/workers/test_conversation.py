"""The worker's end of the conversation: a real process, and a daemon that is only a socket."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import msgpack
import numpy as np
import pytest
import zmq

from chronotick.workers import wire
from chronotick.workers.child import EXIT_LOAD_FAILED, EXIT_REFUSED, Bootstrap
from chronotick.workers.launch import Launcher, WorkerProcess, worker_variables
from chronotick.workers.leases import Lease
from chronotick.workers.messages import (
    Bye,
    Cancel,
    Drain,
    Failed,
    ForecastRequest,
    Hello,
    Loading,
    Message,
    Ready,
    Refuse,
    Result,
    Welcome,
)

ECHO = "chronotick.plugin.echo:Echo"
IDENTITY = b"echo/0001"


class Daemon:
    def __init__(self, socket: zmq.Socket[bytes], process: WorkerProcess) -> None:
        self.process = process
        self._socket = socket

    def send(self, *messages: Message) -> None:
        for message in messages:
            self.send_raw(*wire.encode(message))

    def send_raw(self, *frames: bytes) -> None:
        self._socket.send_multipart([IDENTITY, *frames])

    def receive(self) -> Message:
        identity, *frames = self._socket.recv_multipart()
        assert identity == IDENTITY
        return wire.decode(frames)

    def welcome(self, checkpoint: str = "") -> None:
        assert isinstance(self.receive(), Hello)
        self.send(Welcome(protocol=1, model=ECHO, checkpoint=checkpoint, device="cpu", threads=1))
        while isinstance(message := self.receive(), Loading):
            pass
        assert isinstance(message, Ready)


@pytest.fixture
async def daemon(runtime_dir: Path) -> AsyncIterator[Daemon]:
    launcher = Launcher()
    with zmq.Context() as context, context.socket(zmq.ROUTER) as socket:
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.RCVTIMEO, 20_000)
        address = f"ipc://{runtime_dir}/router"
        socket.bind(address)
        bootstrap = Bootstrap(
            address=address,
            identity=IDENTITY.decode(),
            token="example",  # noqa: S106 - not a secret
            parent_pid=os.getpid(),
        )
        process = await launcher.launch(
            Lease(Path(sys.executable)),
            bootstrap,
            worker_variables({}, threads=1, offline=True),
            logging.getLogger("chronotick.workers.test"),
        )
        yield Daemon(socket, process)
        if not process.exited.done():
            await process.end(1.0)
    launcher.close()


def forecast(request_id: int, deadline_ns: int = 10**10, **changes: object) -> ForecastRequest:
    arrays = {
        "values": np.ones((1, 4)),
        "noise": np.ones((1, 4)),
        "trend_covariance": np.zeros((1, 4)),
    }
    return ForecastRequest(
        id=request_id,
        deadline_ns=deadline_ns,
        horizon=2,
        quantiles=(0.1, 0.9),
        step_s=1.0,
        arrays=arrays | changes,
    )


async def test_answers_and_leaves_after_drain(daemon: Daemon):
    daemon.welcome()
    daemon.send(forecast(1))
    result = daemon.receive()
    assert isinstance(result, Result)
    assert result.arrays["quantiles"].shape == (1, 2, 2)
    daemon.send(Drain())
    assert daemon.receive() == Bye(reason="drained")
    assert await daemon.process.exited == 0


async def test_cancelled_request_is_not_computed(daemon: Daemon):
    """What came while it computed is read together: CANCEL counts although it lies behind."""
    daemon.welcome("late=0.2")
    daemon.send(forecast(1), forecast(2), forecast(3), Cancel(id=2))
    kinds = [daemon.receive() for _ in range(3)]
    assert [message.id for message in kinds] == [1, 2, 3]
    assert [type(message) for message in kinds] == [Result, Failed, Result]
    assert kinds[1].kind == "cancelled"


async def test_expired_request_is_not_computed(daemon: Daemon):
    daemon.welcome()
    daemon.send(forecast(1, deadline_ns=0))
    failed = daemon.receive()
    assert (failed.id, failed.kind) == (1, "expired")


async def test_wrong_context_fails_the_request_only(daemon: Daemon):
    daemon.welcome()
    daemon.send(forecast(1, noise=np.ones((1, 3))), forecast(2))
    failed, result = daemon.receive(), daemon.receive()
    assert "shape of values" in failed.message
    assert isinstance(result, Result)


async def test_messages_of_a_newer_daemon_are_skipped(daemon: Daemon):
    daemon.send_raw(msgpack.packb({"t": "PING"}))
    daemon.welcome()
    daemon.send_raw(msgpack.packb({"t": "PING"}))
    daemon.send(forecast(1))
    assert isinstance(daemon.receive(), Result)


async def test_refused_worker_leaves(daemon: Daemon):
    assert isinstance(daemon.receive(), Hello)
    daemon.send(Refuse(reason="wrong token"))
    assert await daemon.process.exited == EXIT_REFUSED
    assert "refused by the daemon: wrong token" in daemon.process.output.text()


@pytest.mark.parametrize(
    ("model", "checkpoint"),
    [
        ("absent_module:X", ""),
        ("chronotick.plugin.echo:Echo", "missing-weights"),
        ("chronotick.plugin.echo:Echo", "no-such-switch"),  # ValueError: unusable weights
    ],
)
async def test_failed_load_is_reported_before_leaving(daemon: Daemon, model: str, checkpoint: str):
    daemon.receive()
    daemon.send(Welcome(protocol=1, model=model, checkpoint=checkpoint, device="cpu", threads=1))
    while isinstance(message := daemon.receive(), Loading):
        pass
    assert (message.id, message.kind, message.retryable) == (0, "load", False)
    assert await daemon.process.exited == EXIT_LOAD_FAILED
