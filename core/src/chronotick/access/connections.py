"""What uvicorn's connections lack towards clients that are slow, huge or hostile.

uvicorn reads a request for as long as a client cares to send it, of any size, and keeps what a
client does not take for as long as it stays connected. Here every phase has its limit: a request's
head one of size and one of time, its body one of time (of what size, the application says), and
what is sent one of time for each 64 KiB.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from chronotick.access.errors import HttpError, bad_request, unavailable

HEAD_S = 10.0
"""Within which a request's head must have arrived."""

BODY_S = 10.0
"""Within which its body must have arrived after that."""

TAKE_S = 10.0
"""Within which a client must take what fills the buffers: 64 KiB, or it is cut off."""

LONGEST_TARGET = 4 * 1024
MOST_HEAD_BYTES = 16 * 1024
MOST_HEADERS = 100
LONGEST_HEADER = 8000  # what the WebSocket library reads has 8192 on a line


class _HeadError(Exception):
    """Raised inside of the parser, which stops at it."""


class HttpConnection(HttpToolsProtocol):
    """A connection of HTTP/1.1."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - as uvicorn calls it
        super().__init__(*args, **kwargs)
        self._most_connections = self.limit_concurrency
        self.limit_concurrency = None  # uvicorn counts when a head is complete: too late
        self._timer: asyncio.TimerHandle | None = None  # of a head or a body
        self._head_bytes = 0
        self._waiting_bytes = 0
        self._in_body = False
        self._upgraded = False
        self._refusal: HttpError | None = None
        self._taking = Taking()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, or turn away a client too many."""
        super().connection_made(transport)
        most = self._most_connections
        if most is not None and len(self.connections) > most:
            self._end(unavailable("busy", "too many are connected at once", "Try again."))
        else:
            self._await(HEAD_S, self._no_head)

    def connection_lost(self, exc: Exception | None) -> None:
        """End, without a timer left."""
        self._arrived()
        self._taking.resumed()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse, within the limits."""
        in_body = self._in_body
        super().data_received(data)
        if self._upgraded or self.transport.is_closing():
            self._arrived()
        elif self._in_body:
            self._await(BODY_S, self._no_body)
        elif self._is_answering():
            self._arrived()
        else:
            self._await_head(0 if in_body else len(data))

    def handle_websocket_upgrade(self) -> None:
        """Leave the connection to another protocol."""
        self._upgraded = True
        super().handle_websocket_upgrade()

    def _is_answering(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle  # which uvicorn says is always there
        return cycle is not None and not cycle.response_complete

    def on_message_begin(self) -> None:
        """Count anew."""
        self._head_bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Begin to answer, and to read the body."""
        self._arrived()
        self._in_body = True
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Have read it."""
        self._in_body = False
        super().on_message_complete()

    def on_url(self, url: bytes) -> None:
        """Add a part of the target."""
        super().on_url(url)
        if len(self.url) > LONGEST_TARGET:
            status, told = HTTPStatus.REQUEST_URI_TOO_LONG, f"more than {LONGEST_TARGET} bytes"
            self._refuse(HttpError(status, "uri_too_long", f"the target has {told}"))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a header."""
        super().on_header(name, value)
        self._head_bytes += len(name) + len(value)
        longest, count = len(name) + len(value), len(self.headers)
        if self._head_bytes > MOST_HEAD_BYTES or longest > LONGEST_HEADER or count > MOST_HEADERS:
            self._refuse(_huge())

    def send_400_response(self, msg: str) -> None:
        """Answer what the parser stopped at."""
        del msg
        self._end(self._refusal or bad_request("this is no request of HTTP/1.1"))

    def pause_writing(self) -> None:
        """Give the client a while to take what it has asked for."""
        super().pause_writing()
        self._taking.paused(self.loop, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on."""
        super().resume_writing()
        self._taking.resumed()

    def _should_upgrade_to_ws(self) -> bool:
        """Only for what the WebSocket library will not stumble over; else the route says why."""
        if not super()._should_upgrade_to_ws() or self.parser.get_method() != b"GET":
            return False
        names = {name for name, _ in self.headers}
        versions = [value for name, value in self.headers if name == b"sec-websocket-version"]
        return b"sec-websocket-key" in names and versions == [b"13"]

    def _unsupported_upgrade_warning(self) -> None:
        """Say nothing: the answer does."""

    def _refuse(self, error: HttpError) -> None:
        self._refusal = error
        raise _HeadError

    def _await_head(self, more_bytes: int) -> None:
        self._waiting_bytes += more_bytes
        if self._waiting_bytes > MOST_HEAD_BYTES:
            self._end(_huge())
        else:
            self._await(HEAD_S, self._no_head)

    def _await(self, within_s: float, too_late: Callable[[], None]) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(within_s, too_late)

    def _arrived(self) -> None:
        self._waiting_bytes = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _no_head(self) -> None:
        if self._waiting_bytes:
            self._end(_late("head", HEAD_S))
        else:
            self.transport.close()  # connected, and never asked anything

    def _no_body(self) -> None:
        if self.cycle.response_started:
            self.transport.close()  # no second answer into the first
        else:
            self._end(_late("body", BODY_S))

    def _end(self, error: HttpError) -> None:
        if not self.transport.is_closing():
            self.transport.write(_answer(error))
            self.transport.close()


class Taking:
    """Watches that a client takes what is sent to it."""

    def __init__(self) -> None:
        self._timer: asyncio.TimerHandle | None = None

    def paused(self, loop: asyncio.AbstractEventLoop, give_up: Callable[[], object]) -> None:
        """Begin to wait: the buffers are full."""
        self.resumed()
        self._timer = loop.call_later(TAKE_S, give_up)

    def resumed(self) -> None:
        """End waiting."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _late(part: str, within_s: float) -> HttpError:
    told = f"the request's {part} did not arrive within {within_s:g} s"
    return HttpError(HTTPStatus.REQUEST_TIMEOUT, "request_timeout", told)


def _huge() -> HttpError:
    return HttpError(
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
        "headers_too_large",
        f"the headers are more than {MOST_HEADERS}, or {MOST_HEAD_BYTES} bytes, or one of them "
        f"is longer than {LONGEST_HEADER} bytes",
    )


def _answer(error: HttpError) -> bytes:
    """The bytes of an answer that no application was asked for."""
    head = {
        "content-type": "application/json",
        "content-length": str(len(error.body)),
        "cache-control": "no-store",
        "connection": "close",
        **error.headers,
    }
    lines = [f"HTTP/1.1 {error.status.value} {error.status.phrase}"]
    lines += [f"{name}: {value}" for name, value in head.items()]
    return "\r\n".join([*lines, "", ""]).encode() + error.body
