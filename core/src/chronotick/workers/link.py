"""One encrypted connection to a server of models: made once, never mended, then thrown away.

ZeroMQ would reconnect behind our back, and a connecting socket keeps what it could not send: after
a pause the server would be handed old contexts. So it may neither queue nor reconnect.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import zmq
from zmq.utils.monitor import parse_monitor_message

from chronotick.config.tcp import Address
from chronotick.workers import wire
from chronotick.workers.allowance import Allowance
from chronotick.workers.keys import KeyPair
from chronotick.workers.liveness import TCP_OPTIONS
from chronotick.workers.messages import Message
from chronotick.workers.multipart import NOBLOCK, send_frames
from chronotick.workers.pump import Pump

_MOST_NONSENSE: Final = 100

_OPTIONS: Final = (
    (zmq.LINGER, 0),
    (zmq.IPV6, 1),
    (zmq.IMMEDIATE, 1),
    (zmq.RECONNECT_IVL, -1),
    (zmq.SNDHWM, 4),
    (zmq.RCVHWM, 16),
    (zmq.MAXMSGSIZE, wire.MAX_ANSWER_BYTES),
    *TCP_OPTIONS,
)
_EVENTS: Final = (
    zmq.EVENT_HANDSHAKE_SUCCEEDED
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
    | zmq.EVENT_CLOSED
    | zmq.EVENT_DISCONNECTED
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """How to reach a server.

    Attributes:
        address: where it listens.
        server_key: file of its public key.
        keys: directory of this machine's own keys.
    """

    address: Address
    server_key: Path
    keys: Path


class Link:
    """A connection. ``ended`` is done, with the reason in words, when it is of no more use."""

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        route: Route,
        endpoint: str,
        pair: KeyPair,
        server_key: str,
        *,
        opened: Callable[[], None],
        receive: Callable[[Message], bool],
        patience_s: float,
    ) -> None:
        """Begin to connect.

        Args:
            context: to make the socket in.
            route: for messages to people.
            endpoint: a numeric address.
            pair: our keys.
            server_key: the key that the server must prove to hold.
            opened: called when the server has admitted us.
            receive: called with each message; false if it has no place in the conversation.
            patience_s: how long the server may take to accept, and to shake hands.
        """
        self._route = route
        self._opened = opened
        self._receive = receive
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[str] = self._loop.create_future()
        self._allowance = Allowance(self._loop.time())
        self._nonsense = 0
        self._socket = context.socket(zmq.DEALER)
        for option, value in (
            *_OPTIONS,
            (zmq.CURVE_SERVERKEY, server_key.encode()),
            (zmq.CURVE_PUBLICKEY, pair.public.encode()),
            (zmq.CURVE_SECRETKEY, pair.secret.encode()),
            (zmq.CONNECT_TIMEOUT, int(patience_s * 1e3)),
            (zmq.HANDSHAKE_IVL, int(patience_s * 1e3)),
        ):
            self._socket.setsockopt(option, value)
        self._monitor = self._socket.get_monitor_socket(_EVENTS)
        self._pumps = (
            Pump(self._monitor, self._on_event),
            Pump(self._socket, self._on_message, 2 * wire.MAX_ANSWER_BYTES),
        )
        self._socket.connect(endpoint)

    def send(self, message: Message) -> bool:
        """Send without waiting; false when that is impossible now."""
        # What came in between, such as the end of the handshake, must be seen first.
        self._socket.getsockopt(zmq.EVENTS)
        try:
            send_frames(self._socket, wire.encode(message), NOBLOCK)
        except zmq.Again:
            return False
        finally:
            self._pumps[1].look()
        return True

    def end(self, reason: str) -> None:
        """Say that the connection is of no more use."""
        if not self.ended.done():
            self.ended.set_result(reason)

    def close(self, linger_ms: int = 0) -> None:
        """Close the connection; what was sent last has ``linger_ms`` to leave."""
        self.end("it was closed")
        for pump in self._pumps:
            pump.close()
        self._socket.disable_monitor()
        self._monitor.close()
        self._socket.close(linger_ms)

    def _on_event(self, received: list[zmq.Frame]) -> None:
        event = parse_monitor_message([frame.bytes for frame in received])
        kind, value = int(event["event"]), int(event["value"])
        if kind == zmq.EVENT_HANDSHAKE_SUCCEEDED:
            self._opened()
            return
        route = self._route
        match kind:
            case zmq.EVENT_HANDSHAKE_FAILED_AUTH:
                self.end(
                    f"{route.address} refused this machine's key. Append what `chronotick worker "
                    "key` prints here to the list of keys (--allow) on the server"
                )
            case zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL:
                self.end(f"{route.address} is no server of ChronoTick models: it does not encrypt")
            case zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL if value == errno.EAGAIN:
                self.end(f"{route.address} accepts connections but does not answer: does it hang?")
            case zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL:
                self.end(
                    f"{route.address} ended the handshake: its key is not the one in "
                    f"{route.server_key} (`chronotick worker key` on the server prints the right "
                    "one), or it is no server of ChronoTick models"
                )
            case zmq.EVENT_CLOSED:
                self.end(
                    f"nobody answers at {route.address}: the server is not running, the address "
                    "is wrong, or a firewall is in between"
                )
            case _:
                self._pumps[1].drain()  # the server may have said why before it went
                self.end(f"the connection to {route.address} was lost")

    def _on_message(self, received: list[zmq.Frame]) -> None:
        if self.ended.done():
            return
        if not self._allowance.spend(self._loop.time()):
            self.end(f"{self._route.address} sends more messages than any server should")
            return
        if not received:
            self.end(f"{self._route.address} sends longer messages than any server should")
            return
        try:
            useful = self._receive(wire.decode([frame.bytes for frame in received]))
        except wire.UnknownMessage:
            return  # of a newer server: the allowance bounds them
        except wire.WireError:
            useful = False
        self._nonsense += not useful
        if self._nonsense > _MOST_NONSENSE:
            self.end(f"{self._route.address} sends messages that make no sense")
