"""What uvicorn's WebSockets lack towards clients that are slow, hostile or just wrong.

uvicorn keeps what a client does not take for as long as it stays connected. Here what is sent must
be taken in time, 64 KiB after 64 KiB, as on connections of HTTP.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from chronotick.access import connections

STREAM_BUFFER = 32 * 1024  # of the kernel: what waits there for a slow client is old news
LAST_WORDS_S = 1.0  # for a reason to reach a client that may not read any more
TOO_SLOW = 1013  # try again later


class StreamConnection(WebSocketsSansIOProtocol):
    """A connection that was upgraded to a WebSocket."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - as uvicorn calls it
        super().__init__(*args, **kwargs)
        self._taking = connections.Taking()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, with little room in the kernel: what waits there for a slow client gets old."""
        super().connection_made(transport)
        with contextlib.suppress(OSError):
            peer = transport.get_extra_info("socket")
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, STREAM_BUFFER)

    async def send(self, message: Any) -> None:  # noqa: ANN401 - as ASGI has it
        """Send; an answer in place of the upgrade is no handshake that was left incomplete."""
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and self.close_sent:
            self.handshake_complete = True

    def connection_lost(self, exc: Exception | None) -> None:
        """End, without a timer left."""
        self._taking.resumed()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Give the client a while to take what was sent."""
        super().pause_writing()
        self._taking.paused(self.loop, self._too_slow)

    def resume_writing(self) -> None:
        """Go on."""
        super().resume_writing()
        self._taking.resumed()

    def keepalive_timeout(self) -> None:
        """End a connection whose other end is gone, even if it takes nothing any more."""
        super().keepalive_timeout()
        self._abort_soon()

    def handle_parser_exception(self) -> None:
        """End a connection that does not speak the protocol."""
        if self.conn.close_sent is None:  # not even the handshake
            self.transport.abort()
            return
        super().handle_parser_exception()
        self._abort_soon()

    def _too_slow(self) -> None:
        if not self.close_sent:
            self.conn.fail(TOO_SLOW, f"nothing was taken for {connections.TAKE_S:g} s")
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.close_sent = True
            self.queue.put_nowait({"type": "websocket.disconnect", "code": TOO_SLOW})
        self.transport.close()
        self._abort_soon()

    def _abort_soon(self) -> None:
        self.loop.call_later(LAST_WORDS_S, self.transport.abort)
