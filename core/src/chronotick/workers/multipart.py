"""Messages of several frames through a ZeroMQ socket, with few and cheap calls.

Every call here is made for every forecast, by a processor whose caches hold something else by
then. Flags and options are plain integers: combining the library's own costs more than the calls
that take them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import zmq

from chronotick.workers.wire import LARGE_FRAME_BYTES

NOBLOCK: Final = int(zmq.NOBLOCK)

_MORE: Final = int(zmq.SNDMORE)
_EVENTS: Final = int(zmq.EVENTS)
_WITH_INPUT: Final = frozenset({int(zmq.POLLIN), int(zmq.POLLIN | zmq.POLLOUT)})


def send_frames(
    socket: zmq.Socket[bytes], frames: Sequence[bytes | memoryview], flags: int = 0
) -> None:
    """Send one message; ``flags`` is 0 or :data:`NOBLOCK`. Views are read until they are sent.

    Raises:
        zmq.ZMQError: it cannot be sent, or (``zmq.Again``) not without waiting.
    """
    send, last = socket.send, len(frames) - 1
    more = flags | _MORE
    for index, frame in enumerate(frames):
        send(frame, more if index < last else flags, copy=type(frame) is bytes)


def content(frame: zmq.Frame) -> bytes | memoryview:
    """Return what a frame holds; a large one is not copied, and lives as long as its content."""
    if len(frame) < LARGE_FRAME_BYTES:
        return frame.bytes
    return frame.buffer.toreadonly()


def receive_frames(socket: zmq.Socket[bytes], flags: int = 0) -> list[bytes | memoryview]:
    """Receive one message, waiting for it as long as the socket's ``RCVTIMEO`` says.

    Args:
        socket: to receive from.
        flags: 0, or :data:`NOBLOCK` not to wait.

    Raises:
        zmq.Again: none came in time.
    """
    # A Frame knows whether another one follows; after bytes the socket must be asked.
    frame = socket.recv(flags, copy=False)
    frames = [content(frame)]
    while frame.more:
        frame = socket.recv(flags, copy=False)
        frames.append(content(frame))
    return frames


def has_input(socket: zmq.Socket[bytes]) -> bool:
    """Tell whether a message can be received at once.

    This also re-arms the socket's descriptor, which is edge-triggered: one who waits for that must
    have been told "no" since the last time anything was sent or received.
    """
    return socket.getsockopt(_EVENTS) in _WITH_INPUT
