"""A program that the daemon started ends when the daemon does, however that ends."""

from __future__ import annotations

import os
import signal
import threading

from chronotick.daemon.companions import LIFELINE


def end_with_parent() -> None:
    """Send ourselves SIGTERM when standard input ends, if the daemon started us."""
    if os.environ.get(LIFELINE) == "stdin":
        threading.Thread(target=_wait_for_the_end, name="lifeline", daemon=True).start()


def _wait_for_the_end() -> None:
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
