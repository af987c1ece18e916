"""Trains a model: a program for the model's environment.

``python -m chronotick.plugin.training package.module:Class``, with the examples on standard input
(:mod:`chronotick.plugin.training.frames`). Events come on standard output, an object of JSON a
line; whatever libraries print goes to standard error. Ends with 0 when the weights are written.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Mapping
from importlib import import_module
from typing import Any, TextIO

from chronotick.plugin.training.frames import read_header


def main() -> int:
    """Train; returns the exit code."""
    events = _private_output()
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())

    def tell(event: Mapping[str, Any]) -> None:
        try:
            events.write(json.dumps(event) + "\n")
            events.flush()
        except BrokenPipeError:  # nobody listens any more: keep what there is
            stopping.set()

    try:
        _train(sys.argv[1], tell, stopping)
    except Exception as error:  # noqa: BLE001 - told to whoever started this
        tell({"event": "error", "message": _words(error)})
        if not _is_expected(error):
            sys.excepthook(*sys.exc_info())
        return 1
    return 0


def _train(place: str, tell: Any, stopping: threading.Event) -> None:  # noqa: ANN401 - a function
    # Before torch is imported: waiting threads must not spin where others want the cores.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    stream = sys.stdin.buffer
    header = read_header(stream)
    os.environ.setdefault("OMP_NUM_THREADS", str(header.threads))
    os.environ.setdefault("TQDM_DISABLE", "1")  # bars for files that take milliseconds to write
    from chronotick.plugin.training.loop import train

    module, _, name = place.partition(":")
    train(getattr(import_module(module), name), header, stream, tell, stopping)


def _is_expected(error: Exception) -> bool:
    from chronotick.plugin.training.loop import TrainingStopped

    return isinstance(error, (TrainingStopped, ValueError, OSError))


def _words(error: Exception) -> str:
    text = " ".join(str(error).split()) or "no message"
    return text if _is_expected(error) else f"{type(error).__name__}: {text}"


def _private_output() -> TextIO:
    """Keep standard output for the events; what libraries print there goes to standard error."""
    private = os.dup(1)
    os.dup2(2, 1)
    return os.fdopen(private, "w", encoding="utf-8")


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    os._exit(code)  # a thread may still wait for examples, with a lock that Python would wait for
