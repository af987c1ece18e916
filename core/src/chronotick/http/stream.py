"""``/v1/stream``: the time at each client's rate, and what else changes, over WebSockets.

Each message is made once for all clients. A client that reads slowly costs itself only: of each
kind the newest message waits for it, and the ones it missed are forgotten.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from importlib.metadata import version
from typing import Final

from starlette.websockets import WebSocket, WebSocketDisconnect

from chronotick.access.errors import unavailable
from chronotick.http.mailbox import Mailbox
from chronotick.http.queries import StreamQuery
from chronotick.http.watching import Watch, error_message, message
from chronotick.views import Past, Snapshot

TICK_S: Final = 0.05
FASTEST_HZ: Final = 20.0
SLOWEST_TICKS: Final = 200  # 0.1 Hz
MOST_CLIENTS: Final = 256
MOST_HEARD, HEARD_S = 10, 10.0  # messages of a client, and within how long
POLICY_VIOLATION: Final = 1008


class Stream:
    """Sends to all clients; at work only while there are any.

    Args:
        snapshot: of the daemon.
        past: its history, where changes of its state are read.
        most_clients: more are turned away.
    """

    def __init__(self, snapshot: Snapshot, past: Past, most_clients: int = MOST_CLIENTS) -> None:
        self._snapshot, self._watch = snapshot, Watch(snapshot, past)
        self._most_clients = most_clients
        self._clients: dict[Mailbox, int] = {}
        self._producers: list[asyncio.Task[None]] = []
        self._status = ""

    async def serve(
        self, asked: StreamQuery, websocket: WebSocket, subprotocol: str | None
    ) -> None:
        """Accept a client, and send to it until it goes or says too much.

        Raises:
            HttpError: 503, before it is accepted: there are too many.
        """
        if len(self._clients) >= self._most_clients:
            raise unavailable("busy", f"there are {self._most_clients} clients", "Try again.")
        ticks = min(max(round(FASTEST_HZ / asked.rate), 1), SLOWEST_TICKS)
        mailbox = self._join(ticks)
        try:
            with contextlib.suppress(WebSocketDisconnect):  # gone in the middle of something
                await websocket.accept(subprotocol)
                self._welcome(mailbox, asked.rate, ticks)
                await _converse(websocket, mailbox)
        finally:
            self._leave(mailbox)

    def _join(self, ticks: int) -> Mailbox:
        mailbox = Mailbox()
        self._clients[mailbox] = ticks
        if not self._producers:
            work = (self._tick(), self._watch.run(self._tell))
            self._producers = [asyncio.create_task(each) for each in work]
        return mailbox

    def _leave(self, mailbox: Mailbox) -> None:
        del self._clients[mailbox]
        if not self._clients:
            for each in self._producers:
                each.cancel()
            self._producers = []

    def _welcome(self, mailbox: Mailbox, asked_hz: float, ticks: int) -> None:
        hello = {
            "version": version("chronotick"),
            "rate_hz": FASTEST_HZ / ticks,
            "asked_rate_hz": asked_hz,
            "clients": len(self._clients),
            "most_clients": self._most_clients,
        }
        mailbox.put("hello", message("hello", hello))
        mailbox.put("time", self._time())
        for kind, text in self._watch.newest.items():
            mailbox.put(kind, text)

    def _tell(self, kind: str, text: str) -> None:
        for mailbox in self._clients:
            mailbox.put(kind, text)

    async def _tick(self) -> None:
        """Tell the time to those whose turn it is; turns that were slept through are one turn."""
        start_s, last = time.monotonic(), 0
        while True:
            await asyncio.sleep(start_s + (last + 1) * TICK_S - time.monotonic())
            tick = max(last + 1, int((time.monotonic() - start_s) / TICK_S))
            due = [box for box, every in self._clients.items() if tick // every > last // every]
            text = self._time() if due else ""
            for mailbox in due:
                mailbox.put("time", text)
            last = tick

    def _time(self) -> str:
        try:
            reading = self._snapshot.time()
        except Exception as error:  # noqa: BLE001 - clients are told, and the stream goes on
            self._notice("")
            return error_message("time", error)
        self._notice(reading.status)
        return f'{{"type":"time",{reading.model_dump_json()[1:]}'

    def _notice(self, status: str) -> None:
        if status != self._status:
            self._status = status
            self._watch.hurry()


async def _converse(websocket: WebSocket, mailbox: Mailbox) -> None:
    """Send what comes, until the client has gone or says too much."""
    sending = asyncio.create_task(_send(websocket, mailbox))
    try:
        talks = await _hear(websocket)
    finally:
        sending.cancel()
        # RuntimeError: what was about to be sent met the end of the connection.
        with contextlib.suppress(asyncio.CancelledError, WebSocketDisconnect, RuntimeError):
            await sending
    if talks:
        await websocket.close(POLICY_VIOLATION, "clients of the stream have nothing to say")


async def _send(websocket: WebSocket, mailbox: Mailbox) -> None:
    while True:
        for text in await mailbox.take():
            await websocket.send_text(text)


async def _hear(websocket: WebSocket) -> bool:
    """Return whether a client says too much (clients have nothing to say), or else has gone."""
    heard_s: deque[float] = deque(maxlen=MOST_HEARD)
    while (await websocket.receive())["type"] == "websocket.receive":
        now_s = time.monotonic()
        if len(heard_s) == MOST_HEARD and now_s - heard_s[0] < HEARD_S:
            return True
        heard_s.append(now_s)
    return False
