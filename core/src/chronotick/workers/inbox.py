"""Messages received in bounded pieces: a peer decides how long they are, not how much we hold.

ZeroMQ's ``MAXMSGSIZE`` is a limit of one frame; a message may have any number of them.
"""

from __future__ import annotations

from typing import Final

import zmq

from chronotick.workers import wire
from chronotick.workers.multipart import NOBLOCK

_MOST_FRAMES: Final = wire.MAX_FRAMES + 1  # with the sender's identity


class Inbox:
    """Reads one socket. Of a message that is too long nothing is copied, and all is skipped.

    It is skipped in pieces: whoever reads gives others their turn in between.
    """

    def __init__(self, socket: zmq.Socket[bytes], most_bytes: int) -> None:
        """Take a socket to read.

        Args:
            socket: from which nobody else receives.
            most_bytes: that a message may have in all.
        """
        self._socket = socket
        self._most_bytes = most_bytes
        self._skipping = False

    def receive(self) -> list[zmq.Frame]:
        """Receive one message; empty if it, or the piece of it that was read, is skipped.

        Raises:
            zmq.Again: there is none.
        """
        receive = self._socket.recv
        frame = receive(NOBLOCK, copy=False)
        frames, count, size = [frame], 1, len(frame)
        while frame.more and count < _MOST_FRAMES:
            frame = receive(NOBLOCK, copy=False)
            count += 1
            size += len(frame)
            if size <= self._most_bytes:
                frames.append(frame)
        whole = not (self._skipping or frame.more or size > self._most_bytes)
        self._skipping = bool(frame.more)
        return frames if whole else []
