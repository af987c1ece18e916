"""Clients that are slow, huge or hostile, over real sockets."""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import suppress

import pytest

from chronotick.access import connections
from chronotick.http import serving as running

pytestmark = pytest.mark.usefixtures("writer")

HOST = b"Host: localhost\r\n"
GOOD = b"GET /healthz HTTP/1.1\r\n" + HOST


async def answer_to(server, *parts: bytes) -> tuple[int, str]:
    """Status and error code of the answer to raw bytes; the server must close after it."""
    reader, writer = await server.raw(parts[0])
    for part in parts[1:]:
        await asyncio.sleep(0.02)
        writer.write(part)
    text = await reader.read()
    writer.close()
    head, _, body = text.partition(b"\r\n\r\n")
    assert b"Traceback" not in text
    return int(head.split()[1]), json.loads(body)["error"]["code"]


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ((b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",), (414, "uri_too_long")),
        ((b"GET /" + b"a" * 3000, b"a" * 3000), (414, "uri_too_long")),
        ((GOOD + b"X: " + b"a" * 17_000 + b"\r\n\r\n",), (431, "headers_too_large")),
        ((GOOD + b"X: " + b"a" * 9000, b"a" * 9000), (431, "headers_too_large")),
        ((GOOD + b"X: " + b"a" * 8001 + b"\r\n\r\n",), (431, "headers_too_large")),
        ((GOOD + b"X: a\r\n" * 200 + b"\r\n",), (431, "headers_too_large")),
        ((b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",), (400, "bad_request")),  # TLS
        ((b"GET / HTTP/1.1\r\nHost localhost\r\n\r\n",), (400, "bad_request")),
        ((b"GET /\xc3\xa4 HTTP/1.1\r\nHost: localhost\r\n\r\n",), (400, "bad_request")),
        ((b"GET / SMTP/1.1\r\n\r\n",), (400, "bad_request")),
        ((b"PUT / HTTP/1.0\r\n" + HOST + b"\r\n",), (405, "method_not_allowed")),
        ((GOOD + b"Content-Length: 99999999\r\n\r\nx",), (413, "body_refused")),
        ((GOOD + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n",), (413, "body_refused")),
    ],
)  # fmt: skip
async def test_requests_that_are_none_or_too_much(serving, parts, expected):
    async with serving() as server:
        assert await answer_to(server, *parts) == expected


async def test_a_head_that_does_not_come_to_its_end_is_given_up(serving, monkeypatch):
    """Slow loris: a byte now and then, for as long as the server waits."""
    monkeypatch.setattr(connections, "HEAD_S", 0.2)
    async with serving() as server:
        with socket.socket() as slow, suppress(ConnectionError):
            slow.connect(server.address)
            slow.setblocking(False)  # noqa: FBT003 - its only parameter
            loop = asyncio.get_running_loop()
            ended = asyncio.create_task(loop.sock_recv(slow, 1024))
            await loop.sock_sendall(slow, GOOD)
            while not ended.done():
                await loop.sock_sendall(slow, b"X: a\r\n")
                await asyncio.sleep(0.02)
            assert (await ended).startswith(b"HTTP/1.1 408")


async def test_a_connection_that_never_asks_is_closed(serving, monkeypatch):
    monkeypatch.setattr(connections, "HEAD_S", 0.1)
    async with serving() as server:
        reader, writer = await server.raw(b"")
        assert await reader.read() == b""
        writer.close()


async def test_after_an_answer_the_next_request_is_waited_for_anew(serving, monkeypatch):
    monkeypatch.setattr(connections, "HEAD_S", 0.2)
    async with serving() as server:
        reader, writer = await server.raw(GOOD + b"\r\n")
        await reader.readuntil(b'{"status":"alive"}')
        writer.write(b"\r\n")  # which is no request yet, and ends uvicorn's own waiting
        assert (await reader.read()).startswith(b"HTTP/1.1 408")
        writer.close()


async def test_requests_in_one_packet_are_answered_in_turn(serving):
    async with serving() as server:
        reader, writer = await server.raw((GOOD + b"\r\n") * 3)
        for _ in range(3):
            await reader.readuntil(b'{"status":"alive"}')
        writer.close()


async def test_a_client_that_takes_nothing_is_cut_off(serving, monkeypatch):
    monkeypatch.setattr(connections, "TAKE_S", 0.2)
    async with serving() as server:
        for listening in server.listener.sockets:  # accepted sockets inherit it
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        with socket.socket() as slow:
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            slow.connect(server.address)
            slow.setblocking(False)  # noqa: FBT003 - its only parameter
            loop = asyncio.get_running_loop()
            request = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"

            async def ask_and_never_read() -> None:
                while True:
                    await loop.sock_sendall(slow, request * 100)

            with pytest.raises(ConnectionError):
                await asyncio.wait_for(ask_and_never_read(), 30)


async def test_a_connection_too_many_is_turned_away(serving, monkeypatch):
    monkeypatch.setattr(running, "OTHER_CONNECTIONS", 0)
    async with serving(running.Settings(most_clients=1)) as server:
        _, first = await server.raw(GOOD)
        assert await answer_to(server, b"") == (503, "busy")
        first.close()


async def test_an_upgrade_that_is_none_is_answered_by_its_route(serving):
    upgrade = b"Host: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    async with serving() as server:
        bare = b"GET /v1/stream HTTP/1.1\r\n" + upgrade + b"\r\n"
        assert await answer_to(server, bare) == (426, "upgrade_required")
        post = b"POST /v1/stream HTTP/1.1\r\n" + upgrade + b"\r\n"
        assert await answer_to(server, post) == (405, "method_not_allowed")
