"""The process around a model: ``env/bin/python -I -m chronotick.workers.child``.

This module makes the process safe before anything heavy is imported: it dies with the daemon,
whatever the model prints cannot hurt, and Ctrl-C in a terminal is the daemon's business. Then
:mod:`chronotick.workers.serve` takes over.
"""

from __future__ import annotations

import ctypes
import faulthandler
import json
import os
import signal
import sys
from dataclasses import dataclass, field
from typing import Final

EXIT_REFUSED: Final = 3
EXIT_LOAD_FAILED: Final = 4
EXIT_ORPHAN: Final = 5
EXIT_BAD_BOOTSTRAP: Final = 6

NOTICE: Final = "chronotick-notice: "
"""Begins a line of output that people should see."""

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_MAX_BOOTSTRAP_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Bootstrap:
    """What the daemon writes as one line of JSON on the worker's standard input.

    Attributes:
        address: of the daemon's ROUTER socket.
        identity: to use on the wire, e.g. ``chronos/3f9a``.
        token: to show in HELLO.
        parent_pid: of the daemon.
    """

    address: str
    identity: str
    token: str = field(repr=False)
    parent_pid: int


def main() -> int:
    """Run a worker until the daemon ends it; returns the exit status."""
    _die_with_parent()
    bootstrap = _read_bootstrap()
    if bootstrap is None:
        sys.stderr.write("chronotick.workers.child is started by the daemon, not by hand\n")
        return EXIT_BAD_BOOTSTRAP
    # The parent may have died before the line above took hold.
    if os.getppid() != bootstrap.parent_pid:
        return EXIT_ORPHAN
    lifeline = _quieten()
    from chronotick.workers.serve import serve

    return serve(bootstrap, lifeline)


def _die_with_parent() -> None:
    """Ask the kernel for SIGKILL when the daemon's launching thread ends (prctl(2)).

    No thread in this process could do it instead: it would not run while a model holds the GIL.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")


def _read_bootstrap() -> Bootstrap | None:
    """Read one line from descriptor 0, byte by byte: what follows it must stay unread."""
    line = b""
    while not line.endswith(b"\n") and len(line) < _MAX_BOOTSTRAP_BYTES:
        byte = os.read(0, 1)
        if not byte:
            return None
        line += byte
    try:
        return Bootstrap(**json.loads(line))
    except (ValueError, TypeError):
        return None


def _quieten() -> int:
    """Make standard streams harmless; returns the descriptor of the lifeline.

    Standard input stays open as the lifeline (its end is the daemon's), but away from descriptor
    0, where a library that asks the user a question would wait for ever. Standard output joins
    standard error: the daemon logs both.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    lifeline = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    sys.stdout = sys.stderr  # line by line, and never failing on an odd character
    faulthandler.enable()
    return lifeline


if __name__ == "__main__":
    sys.exit(main())
