"""The socket of a server of models: encrypted, for known keys only, and bounded in every way."""

from __future__ import annotations

import asyncio
import errno
import logging
from collections import Counter
from collections.abc import Callable
from typing import Final

import zmq

from chronotick.workers import wire
from chronotick.workers.allowance import Allowance
from chronotick.workers.allowlist import AllowList
from chronotick.workers.keys import KeyPair
from chronotick.workers.liveness import TCP_OPTIONS
from chronotick.workers.messages import Message
from chronotick.workers.multipart import NOBLOCK, send_frames
from chronotick.workers.pump import Pump
from chronotick.workers.zap import Gate, key_of

MAX_FRAME_BYTES: Final = 8 * 2**20
"""Largest frame accepted from a clock: a context is a few kilobytes."""

_OPTIONS: Final = (
    (zmq.LINGER, 0),
    (zmq.ROUTER_MANDATORY, 1),
    (zmq.SNDHWM, 16),
    (zmq.RCVHWM, 16),
    (zmq.BACKLOG, 64),
    (zmq.MAXMSGSIZE, MAX_FRAME_BYTES),
    (zmq.HANDSHAKE_IVL, 5_000),
    *TCP_OPTIONS,
)
_GOODBYE_MS: Final = 2000

logger = logging.getLogger(__name__)

Receive = Callable[[bytes, str, Message], None]
"""Told the client's routing id, the key it has proved to hold, and the message."""


class Doorway:
    """Listens, admits, and turns frames into messages.

    Attributes:
        address: that clocks connect to, with the port that was really taken.
        dropped: how many received messages were dropped, by reason.
    """

    def __init__(self, listen: str, pair: KeyPair, allowed: AllowList, receive: Receive) -> None:
        """Listen on ``tcp://HOST:PORT``.

        Raises:
            zmq.ZMQError: the address cannot be bound.
        """
        self.dropped: Counter[str] = Counter()
        self._receive = receive
        self._loop = asyncio.get_running_loop()
        self._allowances: dict[str, Allowance] = {}
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._gate = Gate(self._context, allowed)
        self._socket = self._context.socket(zmq.ROUTER)
        self._gate.guard(self._socket, pair)
        for option, value in (*_OPTIONS, (zmq.IPV6, int("[" in listen))):
            self._socket.setsockopt(option, value)
        try:
            self._socket.bind(listen)
        except zmq.ZMQError:
            self._release()
            raise
        self.address = self._socket.getsockopt_string(zmq.LAST_ENDPOINT)
        self._pump = Pump(self._socket, self._on_message, 2 * MAX_FRAME_BYTES)

    def send(self, client: bytes, message: Message) -> bool:
        """Send without waiting; false when the client has left or does not read."""
        try:
            send_frames(self._socket, [client, *wire.encode(message)], NOBLOCK)
        except zmq.ZMQError as error:
            if error.errno in (errno.EHOSTUNREACH, errno.EAGAIN):
                return False
            raise
        finally:
            self._pump.look()
        return True

    def close(self) -> None:
        """Stop listening; what was sent last has a moment to leave."""
        self._pump.close()
        self._socket.setsockopt(zmq.LINGER, _GOODBYE_MS)
        self._release()

    def _release(self) -> None:
        self._gate.close()
        self._socket.close()
        self._context.term()

    def _on_message(self, received: list[zmq.Frame]) -> None:
        if not received:
            self.dropped["too long"] += 1
            return
        key = key_of(received)
        client, *frames = (frame.bytes for frame in received)
        if not self._may_speak(key):
            self.dropped["too many"] += 1
            return
        try:
            message = wire.decode(frames)
        except wire.UnknownMessage:
            self.dropped["unknown message"] += 1
        except wire.WireError as error:
            self.dropped["malformed"] += 1
            logger.debug("dropped a message from %s: %s", key, error)
        else:
            self._receive(client, key, message)

    def _may_speak(self, key: str) -> bool:
        """Whether a key, which is or was on the list, has not sent too much of late."""
        now_s = self._loop.time()
        return self._allowances.setdefault(key, Allowance(now_s)).spend(now_s)
