"""Who may connect: the answers to ZeroMQ's authentication requests (RFC 27, ZAP 1.0).

A CURVE server that nobody answers these requests for admits every key, or with
``ZAP_ENFORCE_DOMAIN``, which is set here, none.
"""

from __future__ import annotations

import logging
import time
from typing import Final

import zmq
from zmq.utils import z85

from chronotick.workers.allowance import Allowance
from chronotick.workers.allowlist import AllowList
from chronotick.workers.keys import KeyPair
from chronotick.workers.multipart import send_frames
from chronotick.workers.pump import Pump

DOMAIN: Final = b"chronotick-worker"

_ENDPOINT: Final = "inproc://zeromq.zap.01"  # fixed by RFC 27
_VERSION: Final = b"1.0"
_REQUEST_FRAMES: Final = 9  # with one credential: the client's key
_TOLD_AT_ONCE: Final = 10
_TOLD_PER_S: Final = 10 / 60

logger = logging.getLogger(__name__)


class Gate:
    """Admits the clients of one context whose keys are on the list."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], allowed: AllowList) -> None:
        self._allowed = allowed
        self._reminded = Allowance(time.monotonic(), _TOLD_AT_ONCE, _TOLD_PER_S)
        self._untold = 0
        self._socket = context.socket(zmq.ROUTER)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.bind(_ENDPOINT)
        self._pump = Pump(self._socket, self._on_request)

    def guard(self, socket: zmq.Socket[bytes], pair: KeyPair) -> None:
        """Make a socket, not yet bound, accept CURVE only, and ask here for each key."""
        for option, value in (
            (zmq.CURVE_SERVER, 1),
            (zmq.CURVE_PUBLICKEY, pair.public.encode()),
            (zmq.CURVE_SECRETKEY, pair.secret.encode()),
            (zmq.ZAP_DOMAIN, DOMAIN),
            (zmq.ZAP_ENFORCE_DOMAIN, 1),
        ):
            socket.setsockopt(option, value)

    def close(self) -> None:
        """Admit nobody any more."""
        self._pump.close()
        self._socket.close()

    def _on_request(self, received: list[zmq.Frame]) -> None:
        route, empty, version, request_id, *rest = (frame.bytes for frame in received)
        key = self._admitted(len(received), version, rest)
        status, text = (b"200", b"") if key else (b"400", b"key not on the list")
        # The user id comes back with every message of the connection, see key_of().
        reply = [route, empty, _VERSION, request_id, status, text, key.encode(), b""]
        send_frames(self._socket, reply)
        self._pump.look()

    def _admitted(self, frames: int, version: bytes, rest: list[bytes]) -> str:
        """The client's key if it may come in, else nothing."""
        if frames != _REQUEST_FRAMES or version != _VERSION:
            return ""
        domain, peer, _, mechanism, credential = rest
        if domain != DOMAIN or mechanism != b"CURVE":
            return ""
        key = z85.encode(credential).decode()
        self._allowed.refresh()
        if key in self._allowed:
            return key
        self._tell_of(key, peer.decode(errors="replace"))
        return ""

    def _tell_of(self, key: str, peer: str) -> None:
        """Log a refusal, at most ten a minute of all: anybody can make up keys."""
        if not self._reminded.spend(time.monotonic()):
            self._untold += 1
            return
        untold, self._untold = self._untold, 0
        if untold:
            logger.warning("refused %d more, which are not told one by one", untold)
        where = f"add the line to {self._allowed.path}"
        logger.warning("refused %s; to admit it, %s: %s", peer, where, key)


def key_of(received: list[zmq.Frame]) -> str:
    """The key, as Z85 text, that the sender of a message has proved to hold."""
    return str(received[-1].get("User-Id"))
