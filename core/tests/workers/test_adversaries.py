"""Peers that are not the worker the daemon started: each is a real socket on the real address."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import msgpack
import numpy as np
import pytest
import zmq

from chronotick.plugin import ContextBatch, ModelSpec
from chronotick.workers import ForecastFailed, Phase, Worker, WorkerPool, wire
from chronotick.workers.messages import (
    ForecastRequest,
    Hello,
    Loading,
    Ready,
    Refuse,
    Result,
    Welcome,
)


@pytest.fixture
async def pool(
    make_pool: Callable[..., WorkerPool],
    echo: ModelSpec,
    wait_for_phase: Callable[..., Awaitable[None]],
):
    made = make_pool()
    await wait_for_phase(made.add(echo), Phase.READY)
    return made


@contextmanager
def stranger(pool: WorkerPool, identity: str):
    with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
        socket.setsockopt(zmq.IDENTITY, identity.encode())
        socket.setsockopt(zmq.LINGER, 0)
        socket.connect(pool._router.address)
        yield socket


def hello(token: str = "guess", protocol: tuple[int, int] = (1, 1)) -> list[bytes]:  # noqa: S107 - wrong on purpose
    return wire.encode(Hello(protocol=protocol, token=token, pid=1))


async def test_unknown_identity_is_dropped_and_counted(
    until: Callable[..., Awaitable[None]], pool: WorkerPool
):
    with stranger(pool, "echo/0000") as socket:
        socket.send_multipart(hello())
        await until(lambda: pool._router.dropped["unknown identity"] == 1)
    assert pool.workers["echo"].state.phase is Phase.READY


async def test_reply_of_a_dead_incarnation_is_dropped(
    until: Callable[..., Awaitable[None]],
    pool: WorkerPool,
    batch: ContextBatch,
    wait_for_phase: Callable[..., Awaitable[None]],
):
    worker = pool.workers["echo"]
    old = worker.identity
    worker._partner.signal(9)
    await until(lambda: worker.identity != old)
    await wait_for_phase(worker, Phase.READY)
    with stranger(pool, old) as socket:
        socket.send_multipart(wire.encode(Result(id=1, compute_ns=0, arrays={})))
        await until(lambda: pool._router.dropped["unknown identity"] == 1)
    await worker.forecast(batch, 2, (0.5,), 5.0)
    assert worker.state.late_replies == 0


async def test_garbage_is_dropped_and_counted(
    until: Callable[..., Awaitable[None]], pool: WorkerPool, batch: ContextBatch
):
    with stranger(pool, "echo/0000") as socket:
        socket.send_multipart([b"\xc1garbage"])
        socket.send_multipart([msgpack.packb({"t": "RESULT"}), b"x"])
        socket.send_multipart([msgpack.packb({"t": "PING"})])
        await until(lambda: pool._router.dropped.total() == 3)
    assert pool._router.dropped == {"malformed": 2, "unknown message": 1}
    await pool.workers["echo"].forecast(batch, 2, (0.5,), 5.0)


async def test_of_a_message_with_too_many_frames_nothing_is_taken(
    pool: WorkerPool, batch: ContextBatch, until: Callable[..., Awaitable[None]]
):
    """What is left of it must not be read as messages, which would name their own sender."""
    worker = pool.workers["echo"]
    forged = [worker.identity.encode(), *wire.encode(Loading(stage="forged"))]
    with stranger(pool, "echo/0000") as socket:
        socket.send_multipart([b"x"] * wire.MAX_FRAMES + forged * 100)
        await until(lambda: pool._router.dropped["too long"] >= 2)
        socket.send_multipart([msgpack.packb({"t": "PING"})])
        await until(lambda: pool._router.dropped["unknown message"] == 1)
    assert pool._router.dropped.keys() == {"too long", "unknown message"}
    await worker.forecast(batch, 2, (0.5,), 5.0)


async def test_message_above_the_limit_cuts_the_connection_only(
    pool: WorkerPool, batch: ContextBatch, until: Callable[..., Awaitable[None]]
):
    with stranger(pool, "echo/0000") as socket:
        monitor = socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        socket.send_multipart([bytes(wire.MAX_FRAME_BYTES + 1)])
        await until(lambda: monitor.poll(0))
        socket.disable_monitor()
        monitor.close()
    assert pool._router.dropped.total() == 0
    await pool.workers["echo"].forecast(batch, 2, (0.5,), 5.0)


@pytest.fixture
async def mute(
    until: Callable[..., Awaitable[None]],
    make_pool: Callable[..., WorkerPool],
    echo: ModelSpec,
    wait_for_phase: Callable[..., Awaitable[None]],
):
    """A worker whose process stands still before HELLO, so that its identity is free."""
    pool = make_pool()
    worker = pool.add(echo)
    await wait_for_phase(worker, Phase.STARTING)
    await until(lambda: worker._partner is not None)
    worker._partner.signal(19)  # SIGSTOP
    yield pool, worker
    if worker._partner is not None:
        worker._partner.signal(9)


async def answer(socket: zmq.Socket[bytes], until: Callable[..., Awaitable[None]]) -> object:
    frames = []

    def arrived() -> bool:
        if socket.poll(0):
            frames.extend(socket.recv_multipart())
        return bool(frames)

    await until(arrived)
    return wire.decode(frames)


async def test_wrong_token_is_refused(
    until: Callable[..., Awaitable[None]], mute: tuple[WorkerPool, Worker]
):
    pool, worker = mute
    with stranger(pool, worker.identity) as socket:
        socket.send_multipart(hello())
        assert await answer(socket, until) == Refuse(reason="wrong token")
        ready = Ready(checkpoint="", device="cpu", max_context=1, max_horizon=1)
        socket.send_multipart(wire.encode(ready))
        await until(lambda: pool._router.dropped["not greeted"] == 2)
    assert worker.state.phase is Phase.STARTING


@pytest.mark.parametrize("protocol", [(0, 0), (2, 9)])
async def test_other_protocol_is_refused_with_a_hint(
    until: Callable[..., Awaitable[None]],
    mute: tuple[WorkerPool, Worker],
    protocol: tuple[int, int],
    wait_for_phase: Callable[..., Awaitable[None]],
):
    pool, worker = mute
    with stranger(pool, worker.identity) as socket:
        socket.send_multipart(hello(worker._token, protocol))
        refusal = await answer(socket, until)
    assert "is spoken by the worker, 1-1 by this daemon" in refusal.reason
    assert refusal.hint == "Run: chronotick envs sync echo"
    worker._partner.signal(9)
    await wait_for_phase(worker, Phase.BROKEN)
    assert refusal.reason in worker.state.last_error


async def test_newer_peer_that_still_speaks_ours_is_welcome(
    until: Callable[..., Awaitable[None]], mute: tuple[WorkerPool, Worker]
):
    pool, worker = mute
    with stranger(pool, worker.identity) as socket:
        socket.send_multipart(hello(worker._token, (1, 7)))
        welcome = await answer(socket, until)
    assert welcome.protocol == 1
    assert welcome.model == "chronotick.plugin.echo:Echo"


@asynccontextmanager
async def impostor(mute: tuple[WorkerPool, Worker], until: Callable[..., Awaitable[None]]):
    """A socket that holds the worker's own token and is greeted in its place."""
    pool, worker = mute
    with stranger(pool, worker.identity) as socket:
        socket.send_multipart(hello(worker._token))
        assert isinstance(await answer(socket, until), Welcome)
        yield socket, worker


READY = Ready(checkpoint="", device="cpu", max_context=9, max_horizon=9)


def result(request_id: int, **arrays: object) -> list[bytes]:
    good = {"mean": np.zeros((1, 2)), "quantiles": np.zeros((1, 2, 2))}
    return wire.encode(Result(id=request_id, compute_ns=0, arrays=good | arrays))


async def test_early_double_and_unknown_replies_are_dropped(
    until: Callable[..., Awaitable[None]],
    mute: tuple[WorkerPool, Worker],
    batch: ContextBatch,
    wait_for_phase: Callable[..., Awaitable[None]],
):
    async with impostor(mute, until) as (socket, worker):
        socket.send_multipart(wire.encode(READY))
        await wait_for_phase(worker, Phase.READY)
        socket.send_multipart(result(1))
        await until(lambda: worker.state.late_replies == 1)
        asked = asyncio.create_task(worker.forecast(batch, 2, (0.1, 0.9), 20.0))
        request = await answer(socket, until)
        assert isinstance(request, ForecastRequest)
        for request_id in (99, request.id, request.id):
            socket.send_multipart(result(request_id))
        assert (await asked).mean.shape == (1, 2)
        await until(lambda: worker.state.late_replies == 3)
        assert (worker.state.phase, worker.state.answers) == (Phase.READY, 1)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"quantiles": np.array([[[2.0, 1.0]] * 2])}, "must not decrease"),
        ({"mean": np.zeros((1, 2), np.float32)}, "must be a float64 array"),
        ({"mean": np.zeros((2, 2))}, "asked for was"),
        ({"mean": np.full((1, 2), np.nan)}, "not finite"),
    ],
)
async def test_answers_are_checked_here_too_whatever_the_worker_checks(  # noqa: PLR0917 - fixtures
    until: Callable[..., Awaitable[None]],
    mute: tuple[WorkerPool, Worker],
    batch: ContextBatch,
    arrays: dict[str, object],
    words: str,
    wait_for_phase: Callable[..., Awaitable[None]],
):
    async with impostor(mute, until) as (socket, worker):
        socket.send_multipart(wire.encode(READY))
        await wait_for_phase(worker, Phase.READY)
        asked = asyncio.create_task(worker.forecast(batch, 2, (0.1, 0.9), 20.0))
        socket.send_multipart(result((await answer(socket, until)).id, **arrays))
        with pytest.raises(ForecastFailed, match=words):
            await asked


async def test_worker_that_can_be_asked_nothing_is_ended(
    until: Callable[..., Awaitable[None]],
    mute: tuple[WorkerPool, Worker],
):
    async with impostor(mute, until) as (socket, worker):
        nothing = Ready(checkpoint="", device="cpu", max_context=9, max_horizon=0)
        socket.send_multipart(wire.encode(nothing))
        await until(lambda: "must be 1 or more" in worker.state.last_error)


@pytest.mark.parametrize("noise", [b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 4096, bytes(4096)])
async def test_random_bytes_on_the_socket_do_no_harm(
    pool: WorkerPool, batch: ContextBatch, noise: bytes
):
    path = pool._router.address.removeprefix("ipc://")
    _, writer = await asyncio.open_unix_connection(path)
    writer.write(noise)
    await writer.drain()
    await pool.workers["echo"].forecast(batch, 2, (0.5,), 20.0)
    writer.close()
    assert pool._router.dropped.total() == 0


async def test_socket_lies_where_only_this_user_can_enter(pool: WorkerPool):
    directory = Path(pool._router.address.removeprefix("ipc://")).parent
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


async def test_directories_of_dead_daemons_are_swept_away(
    make_pool: Callable[..., WorkerPool], echo: ModelSpec, runtime_dir: Path
):
    dead = runtime_dir / "workers-dead"
    dead.mkdir()
    (dead / "lock").touch()
    alive = make_pool()
    alive.add(echo)
    second = make_pool()
    second.add(echo)
    assert not dead.exists()
    assert alive._router._directory in set(runtime_dir.glob("workers-*"))  # noqa: ASYNC240 - a test may wait


async def test_path_too_long_for_a_socket_is_said_clearly(
    make_pool: Callable[..., WorkerPool], echo: ModelSpec, runtime_dir: Path
):
    pool = make_pool()
    pool._runtime_dir = runtime_dir / ("x" * 100)
    with pytest.raises(OSError, match="Set XDG_RUNTIME_DIR to a shorter directory"):
        pool.add(echo)
    assert list(pool._runtime_dir.iterdir()) == []
