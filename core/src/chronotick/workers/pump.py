"""Messages of a ZeroMQ socket handed to a callback in the event loop, one per turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import zmq

from chronotick.workers.inbox import Inbox
from chronotick.workers.multipart import has_input

Handle = Callable[[list[zmq.Frame]], None]


class Pump:
    """Reads one socket. Others get their turn between two messages, however many come."""

    def __init__(self, socket: zmq.Socket[bytes], handle: Handle, most_bytes: int = 2**16) -> None:
        """Begin to read.

        Args:
            socket: to be read.
            handle: called with each message; with no frames for one that is too long.
            most_bytes: that a message may have.
        """
        self._socket = socket
        self._inbox = Inbox(socket, most_bytes)
        self._handle = handle
        self._loop = asyncio.get_running_loop()
        self._descriptor = socket.fileno()
        self._scheduled = False
        self._closed = False
        self._loop.add_reader(self._descriptor, self._turn)
        self.look()

    def look(self) -> None:
        """Look for input soon; needed after every other use of the socket.

        Its descriptor is edge-triggered: sending can swallow the edge of an arrival.
        """
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._later)

    def drain(self) -> None:
        """Handle at once what has arrived; for a socket that nobody sends to any more."""
        while not self._closed and has_input(self._socket):
            self._handle(self._inbox.receive())

    def close(self) -> None:
        """Stop reading; the socket stays open."""
        self._closed = True
        self._loop.remove_reader(self._descriptor)

    def _later(self) -> None:
        self._scheduled = False
        self._turn()

    def _turn(self) -> None:
        if self._closed or not has_input(self._socket):
            return
        self.look()
        self._handle(self._inbox.receive())
