"""Requests that do not come to their end, and too many connections, over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import resource
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

import pytest

from chronotick.access import connections
from chronotick.access.listening import listening
from chronotick.access.serving import Complaints, Server, configuration, within_files

POST = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 40000\r\n\r\n"
ANSWER = b"read"

Application = Callable[..., Awaitable[None]]


async def reads_it_all(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - as ASGI has them
    while (message := await receive()).get("more_body"):
        pass
    if message["type"] == "http.request":
        await answer(scope, receive, send)


async def answer(_scope: Any, _receive: Any, send: Any) -> None:  # noqa: ANN401
    headers = [(b"content-length", b"4")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": ANSWER})


@dataclass
class Client:
    """A client that is connected to a server."""

    server: Server
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @property
    def is_timed(self) -> bool:
        """Whether the server waits for the rest of a request, for so long and no longer."""
        (connection,) = self.server.server_state.connections
        assert isinstance(connection, connections.HttpConnection)
        return connection._timer is not None


Serve = Callable[..., AbstractAsyncContextManager[Client]]


@pytest.fixture
def connected() -> Serve:
    """Connect to a server of an application, for the length of an ``async with`` block."""

    @contextlib.asynccontextmanager
    async def run(application: Application) -> AsyncIterator[Client]:
        with listening("127.0.0.1:0") as listener:
            server = Server(configuration(application, 8, lifespan="off", access_log=False))
            task = asyncio.create_task(server.serve(list(listener.sockets)))
            while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
                await asyncio.sleep(0.01)
            reader, writer = await asyncio.open_connection(*listener.sockets[0].getsockname())
            try:
                yield Client(server, reader, writer)
            finally:
                writer.close()
                server.should_exit = True
                await task

    return run


async def test_a_body_that_does_not_come_to_its_end_is_given_up(connected: Serve, monkeypatch):
    monkeypatch.setattr(connections, "BODY_S", 0.1)
    async with connected(reads_it_all) as client:
        client.writer.write(POST + b"x")
        assert (await client.reader.read()).startswith(b"HTTP/1.1 408")


async def test_nor_is_it_waited_for_after_the_answer(connected: Serve, monkeypatch):
    monkeypatch.setattr(connections, "BODY_S", 0.1)
    async with connected(answer) as client:
        client.writer.write(POST + b"x")
        assert (await client.reader.read()).endswith(ANSWER)


async def test_an_answer_may_take_longer_than_a_body(connected: Serve):
    heard, go_on = asyncio.Event(), asyncio.Event()

    async def thinks(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401
        while (await receive())["more_body"]:
            heard.set()
        heard.set()
        await go_on.wait()
        await answer(scope, receive, send)

    async with connected(thinks) as client:
        client.writer.write(POST + b"x" * 20_000)
        await heard.wait()
        assert client.is_timed
        heard.clear()
        client.writer.write(b"x" * 20_000)
        while client.is_timed:
            await heard.wait()
            await asyncio.sleep(0.01)
        go_on.set()
        assert (await client.reader.readuntil(ANSWER)).startswith(b"HTTP/1.1 200")


async def test_the_rest_of_a_body_that_nobody_reads_is_no_head_of_the_next_request(
    connected: Serve,
):
    async with connected(answer) as client:
        for _ in range(2):
            client.writer.write(POST)
            assert (await client.reader.readuntil(ANSWER)).startswith(b"HTTP/1.1 200")
            client.writer.write(b"x" * 40_000)
            await asyncio.sleep(0.05)


def test_no_more_connections_than_there_are_files_for(monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda _what: (64, 64))
    monkeypatch.setattr(resource, "setrlimit", lambda _what, _limits: None)
    assert [within_files(256, 32), within_files(16, 32), within_files(256, 64)] == [32, 16, 1]


def test_the_limit_of_files_is_raised_as_far_as_needed_and_never_lowered(monkeypatch):
    raised: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "setrlimit", lambda _what, limits: raised.append(limits))
    infinite = resource.RLIM_INFINITY
    for soft, hard in ((100, 4096), (100, infinite), (infinite, infinite), (1024, 1024)):
        monkeypatch.setattr(resource, "getrlimit", lambda _what, found=(soft, hard): found)
        assert within_files(256, 32) == 256
    assert raised == [(288, 4096), (288, infinite)]


async def test_a_shortage_of_files_is_one_line(caplog: pytest.LogCaptureFixture):
    complaints, loop = Complaints(), asyncio.get_running_loop()
    shortage = OSError(errno.EMFILE, "Too many open files")
    for _ in range(100):
        complaints(loop, {"message": "accept", "exception": shortage})
    (line,) = caplog.records
    assert (line.levelno, line.exc_info) == (logging.WARNING, None)
    assert "ulimit -n" in line.getMessage()
    complaints(loop, {"message": "another fault"})
    assert "another fault" in caplog.text
