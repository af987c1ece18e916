"""Exit statuses in words."""

from __future__ import annotations

import signal
from typing import Final

from chronotick.workers import child

_SIGNALS: Final = {
    signal.SIGKILL: "by the kernel for want of memory (see dmesg), or by hand",
    signal.SIGSEGV: "a fault in native code",
    signal.SIGBUS: "a fault in native code, or a truncated file of weights",
    signal.SIGILL: "native code built for another processor",
    signal.SIGABRT: "native code gave up",
    signal.SIGFPE: "an arithmetic fault in native code",
    signal.SIGTERM: "told to end",
}
_STATUSES: Final = {
    0: "left without being asked (status 0)",
    1: "ended with a Python error (status 1)",
    child.EXIT_REFUSED: "the daemon refused it",
    child.EXIT_LOAD_FAILED: "could not load the model",
    child.EXIT_ORPHAN: "found its daemon gone",
    child.EXIT_BAD_BOOTSTRAP: "was given no bootstrap on its standard input",
}


def describe(returncode: int) -> str:
    """Say what an exit status as in ``subprocess`` (negative: a signal) means."""
    if returncode >= 0:
        return _STATUSES.get(returncode, f"ended with status {returncode}")
    try:
        number = signal.Signals(-returncode)
    except ValueError:
        return f"killed by signal {-returncode}"
    cause = _SIGNALS.get(number)
    return f"killed by {number.name}" + (f" ({cause})" if cause else "")
