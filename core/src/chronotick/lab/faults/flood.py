"""Somebody who may use the control socket, and misuses it."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from pathlib import Path
from typing import Final

_IDLE: Final = 40
"""More than the daemon answers at once."""
_PAUSE_S: Final = 0.01


class Flood:
    """Holds as many connections as it gets, and sends noise over others.

    Args:
        control: the socket.
        noise: what is sent.
    """

    def __init__(self, control: Path, noise: bytes) -> None:
        self._control, self._noise, self._ended = control, noise, threading.Event()
        self._thread = threading.Thread(target=self._run, name="flood", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """End it, and let go of all connections."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        with contextlib.ExitStack() as idle:
            for _ in range(_IDLE):
                with contextlib.suppress(OSError):
                    idle.enter_context(self._connected())
            while not self._ended.is_set():
                with contextlib.suppress(OSError), self._connected() as connection:
                    connection.sendall(self._noise)
                    connection.recv(4096)
                time.sleep(_PAUSE_S)

    def _connected(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(0.2)
        try:
            connection.connect(str(self._control))
        except OSError:
            connection.close()
            raise
        return connection
