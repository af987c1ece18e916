"""What somebody sends to the daemon's control socket: one line, any bytes."""

from __future__ import annotations

import json
import logging
from pathlib import Path

from chronotick.daemon.control import ControlServer
from fuzz.oracle import require

_SERVER = ControlServer(
    Path("unused"),
    {
        "status": lambda: {"status": "synchronised", "nan": float("nan")},
        "sources": list,
        "ping": lambda: "pong",
    },
)
_ASKED = ("status", "sources", "ping")
_LONGEST_ERROR = 1000


def TestOneInput(data: bytes) -> None:  # noqa: N802 - libFuzzer's name
    """Answer a line.

    Raises:
        Finding: the answer is none that a client can read, or a long echo.
    """
    logging.disable()
    answer = _SERVER._answer(data)  # noqa: SLF001 - what a connection does with each line
    line = json.dumps(answer, allow_nan=False)
    require("\n" not in line, "an answer is one line")
    if answer["ok"]:
        require(json.loads(data)["method"] in _ASKED, "only what can be asked is answered")
    else:
        require(len(answer["error"]) <= _LONGEST_ERROR, "nobody is sent back what he sent")


def seeds() -> dict[str, bytes]:
    """What the corpus begins with."""
    return {
        "status": b'{"method": "status"}\n',
        "sources": b'{"method": "sources", "params": {}}\n',
        "unknown": b'{"method": "stop"}\n',
        "list": b'["method"]\n',
        "number": b'{"method": 1}\n',
        "text": b"status\n",
        "nested": b"[" * 1500,
    }
