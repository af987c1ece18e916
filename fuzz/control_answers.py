"""What a client of the control socket is answered, by whoever listens there: any bytes."""

from __future__ import annotations

import contextlib
import functools
import json
import socket
import threading
from pathlib import Path

from chronotick.client.control import ask
from chronotick.client.errors import ChronoTickError
from fuzz.oracle import require
from fuzz.places import scratch

_TIMEOUT_S = 5.0


class _Impostor:
    """Answers every request by the same bytes, until they are others."""

    def __init__(self, path: Path) -> None:
        self.path, self.answer = path, b""
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(path))
        self._socket.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            with connection, contextlib.suppress(OSError):
                connection.recv(1024)
                connection.sendall(self.answer)


@functools.cache
def _impostor() -> _Impostor:
    return _Impostor(scratch() / "control.sock")


def TestOneInput(data: bytes) -> None:  # noqa: N802 - libFuzzer's name
    """Ask, and be answered.

    Raises:
        Finding: an answer is told that was not given.
    """
    impostor = _impostor()
    impostor.answer = data
    try:
        told = ask("status", socket_path=impostor.path, timeout=_TIMEOUT_S)
    except ChronoTickError as error:
        require(str(error), "a failure has words")
        return
    answer = json.loads(data)
    require(answer["ok"], "only a good answer is told")
    require(repr(told) == repr(answer["result"]), "an answer is what was answered")


def seeds() -> dict[str, bytes]:
    """What the corpus begins with."""
    return {
        "good": b'{"ok": true, "result": {"status": "synchronised", "pid": 1}}\n',
        "refused": b'{"ok": false, "error": "unknown method"}\n',
        "list": b"[1, 2]\n",
        "text": b'"ok"\n',
        "empty": b"",
        "half": b'{"ok": true, "res',
        "nested": b'{"ok": ' + b"[" * 1500,
    }
