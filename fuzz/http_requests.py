"""Requests over HTTP, as a server hands them to the application: path, query, headers, messages.

The first byte says whether there is a token, and whether it is a WebSocket; lines follow: method,
target, headers, and after an empty line the messages of the client.
"""

from __future__ import annotations

import asyncio
import functools
import json
import logging
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from chronotick.history import Reading, open_history
from chronotick.http.application import Application
from chronotick.http.gate import BEARER_SUBPROTOCOL, Gate
from chronotick.shm.testing import good_record
from chronotick.shm.writer import RecordWriter
from chronotick.views import Past, Snapshot
from fuzz.oracle import require
from fuzz.places import scratch

TOKEN = b"correct-horse+battery/staple=="
_HOSTS = frozenset({"localhost", "127.0.0.1"})
_STATUSES = frozenset({200, 206, 304, 400, 401, 403, 404, 405, 413, 416, 426, 503})
_OPEN = ("/healthz", "/readyz", "/", "/openapi.json", "/static/")
_DAY_S = 86_400
_DONE_S = 5.0


def TestOneInput(data: bytes) -> None:  # noqa: N802 - libFuzzer's name
    """Ask, and look at the answer.

    Raises:
        Finding: there is none, it is a fault of the server, or it tells what it should not.
    """
    how, lines = data[:1], data[1:].split(b"\n")
    secret, stream = bool(how and how[0] & 1), bool(how and how[0] & 2)
    scope = _scope(lines, stream=stream)
    sent = _loop().run_until_complete(_asked(scope, _messages(lines, stream=stream), secret=secret))
    if stream and sent and sent[0]["type"] == "websocket.accept":
        require(not secret or _bears_token(scope), "a stream is for who bears the token")
        return
    _check_answer(sent, scope, secret=secret)


async def _asked(
    scope: dict[str, Any], messages: Iterator[dict[str, Any]], *, secret: bool
) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        for message in messages:
            return message
        await asyncio.Event().wait()  # the client stays
        raise AssertionError

    async def send(message: Any) -> None:  # noqa: ANN401 - as ASGI has it
        sent.append(message)

    application = _application(secret=secret)
    await asyncio.wait_for(application(scope, receive, send), _DONE_S)
    return sent


@functools.cache
def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


@functools.cache
def _application(*, secret: bool) -> Application:
    logging.disable()
    history = scratch() / "history.sqlite3"
    if not history.exists():
        _remember(RecordWriter(scratch() / "served"))
    snapshot = Snapshot(scratch() / "served", scratch() / "nobody.sock", max_age_s=0.0)
    return Application(snapshot, Past(history), Gate(TOKEN if secret else None, _HOSTS))


def _remember(writer: RecordWriter) -> None:
    record = writer.write(good_record(valid_s=_DAY_S))
    with open_history(scratch() / "history.sqlite3", 30).history as history:
        for second in range(3):
            history.add_reading(
                Reading(
                    raw_ns=second * 10**9,
                    unix_ns=record.anchor_utc_ns - second * 10**9,
                    status="synchronised",
                    system_minus_utc_ns=7,
                    bound_ns=1000,
                    sigma_ns=30,
                    frequency=1e-5,
                    coverage=0.9,
                    weights={"kalman": 1.0},
                )
            )
        history.flush()


def _scope(lines: list[bytes], *, stream: bool) -> dict[str, Any]:
    method, target, *others = [*lines, b"", b""]
    path, _, query = target.partition(b"?")
    headers = [
        (name.strip().lower(), value.strip())
        for name, _, value in (line.partition(b":") for line in _head(others))
    ]
    offered = dict(headers).get(b"sec-websocket-protocol", b"").decode("latin-1")
    return {
        "type": "websocket" if stream else "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "ws" if stream else "http",
        "method": method.decode("latin-1"),
        "path": unquote(path.decode("latin-1")),
        "raw_path": path,
        "query_string": query,
        "headers": headers,
        "subprotocols": [each.strip() for each in offered.split(",") if each.strip()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8080),
        "extensions": {"websocket.http.response": {}},
    }


def _head(lines: list[bytes]) -> list[bytes]:
    return lines[: lines.index(b"")] if b"" in lines else lines


def _messages(lines: list[bytes], *, stream: bool) -> Iterator[dict[str, Any]]:
    if not stream:
        yield {"type": "http.request", "body": b"".join(lines[2:])[:10], "more_body": False}
        return
    yield {"type": "websocket.connect"}
    for line in lines[2 + len(_head(lines[2:])) :]:
        yield {"type": "websocket.receive", "text": line.decode("latin-1"), "bytes": None}
    yield {"type": "websocket.disconnect", "code": 1000}


def _check_answer(sent: list[dict[str, Any]], scope: dict[str, Any], *, secret: bool) -> None:
    require(sent and sent[0]["type"].endswith("http.response.start"), "every request is answered")
    start, *parts = sent
    require(start["status"] in _STATUSES, f"{start['status']} is no fault of the client")
    for name, value in start["headers"]:
        require(not set(name + value) & set(b"\r\n\0"), "no header begins another")
    headers, body = dict(start["headers"]), b"".join(part["body"] for part in parts)
    if body or scope["method"] != "HEAD":
        stated = int(headers.get(b"content-length", b"0"))
        require(stated == len(body), "an answer is as long as it says")
    if body and headers[b"content-type"] == b"application/json":
        json.loads(body)
    if secret and start["status"] == 200 and not scope["path"].startswith(_OPEN[-1]):  # noqa: PLR2004
        told = scope["path"] in _OPEN or _bears_token(scope)
        require(told, "what is secret is for who bears the token")


def _bears_token(scope: dict[str, Any]) -> bool:
    given = dict(scope["headers"]).get(b"authorization", b"")
    return given.endswith(TOKEN) or any(
        each.startswith(BEARER_SUBPROTOCOL) for each in scope["subprotocols"]
    )


def seeds() -> dict[str, bytes]:
    """What the corpus begins with."""
    local = b"\nhost: localhost:8080\n"
    bearer = local + b"authorization: Bearer " + TOKEN + b"\n"
    begin = b"\nconnection: upgrade\nupgrade: websocket\nsec-websocket-version: 13\n\n"
    return {
        "time": b"\0GET\n/v1/time?ahead_s=1.5" + local,
        "secret": b"\1GET\n/v1/time" + bearer,
        "refused": b"\1GET\n/v1/status" + local + b"authorization: Basic x\n",
        "history": b"\0GET\n/v1/history?from=-60&to=-0&fields=clock,weights&points=5" + local,
        "dated": b"\0HEAD\n/v1/history?from=2026-11-30T09:00:00%2B01:00&to=2026-12-01T00:00:00Z"
        + local,
        "metrics": b"\0GET\n/metrics" + local + b"accept: application/openmetrics-text\n",
        "page": b"\0GET\n/" + local + b"if-none-match: x\naccept-encoding: gzip\n",
        "static": b"\0GET\n/static/%2e%2e/x" + local,
        "post": b"\0POST\n/v1/time" + local + b"content-length: 1\n",
        "stream": b"\2GET\n/v1/stream?rate=5" + local[:-1] + begin + b"{}\n",
        "protocol": b"\3GET\n/v1/stream"
        + local
        + b"sec-websocket-protocol: chronotick.bearer.eA\n",
        "origin": b"\2GET\n/v1/stream" + local + b"origin: http://evil.example\n",
    }
