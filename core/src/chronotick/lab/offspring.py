"""Processes of ours that compute: they end when the one that started them does."""

from __future__ import annotations

import os
import threading
from multiprocessing import parent_process


def leave_with_parent() -> None:
    """End this process as soon as its parent is gone, even killed: nobody else would tell it."""
    threading.Thread(target=_wait, name="parent", daemon=True).start()


def _wait() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
