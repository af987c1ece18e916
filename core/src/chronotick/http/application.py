"""The ASGI application: what happens to every request before and after its route."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from http import HTTPStatus

from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from chronotick.access.errors import HttpError
from chronotick.client.errors import ChronoTickError
from chronotick.http.answers import send_failure, send_json
from chronotick.http.endpoints import Endpoints
from chronotick.http.gate import SUBPROTOCOL, Gate
from chronotick.http.openapi import document
from chronotick.http.pages import Pages
from chronotick.http.past import HistoryAnswers
from chronotick.http.problems import http_error
from chronotick.http.queries import Query, StreamQuery, parse
from chronotick.http.routes import OPENAPI, STREAM, Route, find, routes
from chronotick.http.stream import MOST_CLIENTS, Stream
from chronotick.views import Past, Snapshot

METHODS = ("GET", "HEAD")


class Application:
    """Answers requests about one daemon.

    Args:
        snapshot: of the daemon.
        past: its history.
        gate: who may ask.
        most_clients: of the stream, at once.
    """

    def __init__(
        self, snapshot: Snapshot, past: Past, gate: Gate, most_clients: int = MOST_CLIENTS
    ) -> None:
        self._snapshot, self._gate = snapshot, gate
        self._stream = Stream(snapshot, past, most_clients)
        self._routes = {
            **routes(Endpoints(snapshot), HistoryAnswers(past), Pages()),
            OPENAPI: Route("This description", self._describe, open=True),
        }
        self._description = json.dumps(document(self._routes)).encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whatever happens."""
        if scope["type"] == "websocket":
            await self._converse(scope, receive, send)
            return
        try:
            route, query = self._admitted(scope)
            await route.tell(query, scope, receive, send)
        except Exception as error:  # noqa: BLE001 - clients get an answer, the log the rest
            await send_failure(send, http_error(error))

    def _admitted(self, scope: Scope) -> tuple[Route, Query]:
        """What a request asks for, if it may."""
        headers = dict(scope["headers"])
        self._gate.check_host(_text(headers, b"host"))
        route = find(self._routes, scope["path"])
        if scope["method"] not in METHODS:
            raise _method_not_allowed()
        if not route.open:
            self._gate.check_token(_text(headers, b"authorization"))
        if headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in headers:
            raise _body_refused()
        return route, parse(route.query, scope["query_string"], self._now_ns)

    def _now_ns(self) -> int:
        """Served time where it is served: the times of the history are."""
        try:
            return self._snapshot.time().time_ns
        except ChronoTickError:
            return time.time_ns()

    async def _converse(self, scope: Scope, receive: Receive, send: Send) -> None:
        offered: list[str] = scope["subprotocols"]
        chosen = SUBPROTOCOL if SUBPROTOCOL in offered else None
        try:
            asked = self._admitted_stream(scope)
            await self._stream.serve(asked, WebSocket(scope, receive, send), chosen)
        except HttpError as error:
            await send_failure(_denying(send), error)

    def _admitted_stream(self, scope: Scope) -> StreamQuery:
        headers = dict(scope["headers"])
        host, origin = _text(headers, b"host"), _text(headers, b"origin")
        self._gate.check_host(host)
        if scope["path"] != STREAM:
            find(self._routes, scope["path"])
            raise HttpError(HTTPStatus.NOT_FOUND, "not_found", "there is no WebSocket")
        self._gate.check_stream(
            host, origin, scope["subprotocols"], _text(headers, b"authorization")
        )
        return parse(StreamQuery, scope["query_string"])

    async def _describe(self, query: Query, scope: Scope, receive: Receive, send: Send) -> None:
        del query, scope, receive
        await send_json(send, self._description)


def _text(headers: Mapping[bytes, bytes], name: bytes) -> str:
    return headers.get(name, b"").decode("latin-1")


def _denying(send: Send) -> Send:
    """Answer the handshake of a WebSocket as if it were a request."""

    async def sending(message: Message) -> None:
        await send({**message, "type": f"websocket.{message['type']}"})

    return sending


def _method_not_allowed() -> HttpError:
    return HttpError(
        HTTPStatus.METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "nothing here can be changed",
        "Use GET or HEAD.",
        {"allow": ", ".join(METHODS), "connection": "close"},
    )


def _body_refused() -> HttpError:
    return HttpError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "body_refused",
        "no request here has a body",
        headers={"connection": "close"},
    )
