"""The daemon's end of the wire: one ROUTER socket that workers connect to.

The daemon never connects out: a connecting socket would queue requests while a worker is down and
hand it old clock contexts when it comes back.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import logging
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import zmq

from chronotick.workers import wire
from chronotick.workers.inbox import Inbox
from chronotick.workers.messages import Message
from chronotick.workers.multipart import NOBLOCK, content, has_input, send_frames

Receive = Callable[[str, Message], None]

_HIGH_WATER_MARK: Final = 64
_LONGEST_PATH: Final = 107  # of a Unix socket: sizeof(sun_path) - 1, unix(7)

logger = logging.getLogger(__name__)


class Router:
    """Sends to workers by identity and hands what they send to a callback, in the event loop.

    Attributes:
        address: that workers connect to.
        dropped: how many received messages were dropped, by reason.
    """

    def __init__(self, runtime_dir: Path, receive: Receive) -> None:
        """Bind in a directory of our own below ``runtime_dir``, which only this user may enter.

        Raises:
            OSError: the directory cannot be made, or its path is too long for a socket.
        """
        self._directory, self._lock = _own_directory(runtime_dir)
        self.address = f"ipc://{self._directory / 'router'}"
        self.dropped: Counter[str] = Counter()
        self._receive = receive
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        for option, value in (
            (zmq.LINGER, 0),
            (zmq.ROUTER_MANDATORY, 1),
            (zmq.SNDHWM, _HIGH_WATER_MARK),
            (zmq.RCVHWM, _HIGH_WATER_MARK),
            (zmq.MAXMSGSIZE, wire.MAX_FRAME_BYTES),
        ):
            self._socket.setsockopt(option, value)
        self._socket.bind(self.address)
        self._inbox = Inbox(self._socket, 2 * wire.MAX_FRAME_BYTES)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket.fileno(), self._on_readable)

    def send(self, identity: str, message: Message) -> bool:
        """Send without waiting; false when that worker is not connected or does not read."""
        frames = [identity.encode(), *wire.encode(message)]
        try:
            send_frames(self._socket, frames, NOBLOCK)
        except zmq.ZMQError as error:
            if error.errno in (errno.EHOSTUNREACH, errno.EAGAIN):
                return False
            raise
        # The socket's descriptor is edge-triggered: sending can swallow the edge of an arrival.
        if has_input(self._socket):
            self._loop.call_soon(self._drain)
        return True

    def close(self) -> None:
        """Close the socket and remove its directory."""
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()
        self._context.term()
        shutil.rmtree(self._directory, ignore_errors=True)
        os.close(self._lock)

    def _on_readable(self) -> None:
        # Mostly a message is there: asking first would cost each of them some microseconds.
        try:
            received = self._inbox.receive()
        except zmq.Again:
            self._drain()  # asks, and thereby arms the descriptor again
            return
        self._dispatch(received)
        # More may be waiting, but whoever this message has woken comes first.
        self._loop.call_soon(self._drain)

    def _drain(self) -> None:
        if not self._socket.closed and has_input(self._socket):
            self._dispatch(self._inbox.receive())
            self._loop.call_soon(self._drain)

    def _dispatch(self, received: list[zmq.Frame]) -> None:
        if not received:
            self.dropped["too long"] += 1
            return
        identity, frames = received[0].bytes, [content(frame) for frame in received[1:]]
        try:
            name = identity.decode()
            message = wire.decode(frames)
        except wire.UnknownMessage:
            self.dropped["unknown message"] += 1
        except ValueError as error:  # also an identity that is no text
            self.dropped["malformed"] += 1
            logger.debug("dropped a message from %r: %s", identity, error)
        else:
            self._receive(name, message)


def _own_directory(runtime_dir: Path) -> tuple[Path, int]:
    """Make a directory for the socket, hold a lock in it, and remove those of dead daemons."""
    runtime_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    _sweep(runtime_dir)
    while True:
        directory = Path(tempfile.mkdtemp(prefix="workers-", dir=runtime_dir))
        lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        if directory.exists():
            break
        os.close(lock)  # another daemon swept it away before we held the lock
    path = str(directory / "router")
    if len(os.fsencode(path)) > _LONGEST_PATH:
        shutil.rmtree(directory, ignore_errors=True)
        os.close(lock)
        raise OSError(
            errno.ENAMETOOLONG,
            f"socket path is longer than {_LONGEST_PATH} bytes: {path}. "
            "Set XDG_RUNTIME_DIR to a shorter directory",
        )
    return directory, lock


def _sweep(runtime_dir: Path) -> None:
    for directory in runtime_dir.glob("workers-*"):
        with suppress(OSError):  # not ours, or going away at this moment
            lock = os.open(directory / "lock", os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(directory, ignore_errors=True)
            finally:
                os.close(lock)
