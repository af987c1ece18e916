"""Carrying the server over standard input and output."""

from __future__ import annotations

import logging
import signal

from chronotick.mcp.server import create_server
from chronotick.views import Snapshot


def serve_stdio(snapshot: Snapshot) -> None:
    """Serve whoever started this process, until standard input ends.

    Standard output carries the protocol and nothing else: what prints is sent to standard error.
    """
    log_plainly()
    # The reader of standard input sits in a thread that no exception wakes.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        create_server(snapshot).run("stdio")
    except Exception as error:
        if not _is_broken_pipe(error):
            raise  # else the agent is gone: nobody is left to be told anything


def log_plainly() -> None:
    """Log warnings to standard error, which opens no file.

    The SDK would set up Rich's handler where there is none, which imports more when it has to tell
    of an exception, and fails where no file can be opened any more.
    """
    logging.basicConfig(level=logging.WARNING, format="chronotick: %(message)s")


def _is_broken_pipe(error: BaseException) -> bool:
    """Whether an exception, or each in a group, says that nobody reads our output any more."""
    parts = getattr(error, "exceptions", None)
    if parts:
        return all(map(_is_broken_pipe, parts))
    return isinstance(error, BrokenPipeError)
