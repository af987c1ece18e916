"""Being told by the kernel, at once, that somebody has set the system clock."""

from __future__ import annotations

import ctypes
import errno
import logging
import os
import select
import sys
import time
from typing import Final

# Linux, sys/timerfd.h and fcntl.h. os.timerfd_create() there is from Python 3.13 on only.
_CLOEXEC_NONBLOCK: Final = os.O_CLOEXEC | os.O_NONBLOCK if sys.platform == "linux" else 0
_ABSTIME: Final = 1 << 0
_CANCEL_ON_SET: Final = 1 << 1
_NEVER_S: Final = min(2**33, 2 ** (8 * ctypes.sizeof(ctypes.c_long) - 1) - 1)  # the year 2242
_ARM_ATTEMPTS: Final = 3  # the clock may be set again while the timer is armed anew
_TICK_BYTES: Final = 8
_MOST_DESCRIPTORS: Final = 1024  # FD_SETSIZE: select(2) knows no larger ones

_log = logging.getLogger("chronotick.daemon")


class _Timer(ctypes.Structure):
    """``struct itimerspec``: it expires once, never again."""

    _fields_ = tuple(
        (name, ctypes.c_long) for name in ("interval_s", "interval_ns", "expires_s", "expires_ns")
    )


class StepWatch:
    """Sleeps until a time is over or the system clock is set, whichever comes first.

    A timer on CLOCK_REALTIME that never expires is cancelled by the kernel when that clock makes a
    jump: somebody set it, the host woke up, a leap second was inserted (timerfd_create(2),
    TFD_TIMER_CANCEL_ON_SET). Slewing does not count. To sleep like this costs some 10 us more than
    ``time.sleep``. Where there is no such timer, as on other systems than Linux, this only sleeps.
    """

    def __init__(self) -> None:
        self._timer = _armed_timer()

    @property
    def is_told(self) -> bool:
        """Whether there is somebody who tells."""
        return self._timer is not None

    def sleep(self, seconds: float) -> bool:
        """Sleep; return early, with True, when the system clock was set.

        To be called by one thread.
        """
        if self._timer is None:
            time.sleep(seconds)
            return False
        was_set = bool(select.select([self._timer], [], [], seconds)[0])
        if was_set and not (_was_cancelled(self._timer) and _arm(self._timer)):
            _log.warning("the kernel no longer tells when the system clock is set; each tick looks")
            self.close()
        return was_set

    def close(self) -> None:
        """Give the timer back."""
        if self._timer is not None:
            os.close(self._timer)
            self._timer = None


def _armed_timer() -> int | None:
    if sys.platform != "linux":
        return None
    timer: int = ctypes.CDLL(None).timerfd_create(time.CLOCK_REALTIME, _CLOEXEC_NONBLOCK)
    if timer < 0:
        return None
    if timer >= _MOST_DESCRIPTORS or not _arm(timer):
        os.close(timer)
        return None
    return timer


def _arm(timer: int) -> bool:
    """Arm a timer, or arm it anew; return whether that succeeded."""
    arm = ctypes.CDLL(None, use_errno=True).timerfd_settime
    never, flags = _Timer(0, 0, _NEVER_S, 0), _ABSTIME | _CANCEL_ON_SET
    for _ in range(_ARM_ATTEMPTS):
        if arm(timer, flags, ctypes.byref(never), None) == 0:
            return True
        if ctypes.get_errno() != errno.ECANCELED:
            break
    return False


def _was_cancelled(timer: int) -> bool:
    """Take what the kernel tells of a readable timer."""
    try:
        os.read(timer, _TICK_BYTES)
    except OSError as error:
        return error.errno == errno.ECANCELED
    return False
