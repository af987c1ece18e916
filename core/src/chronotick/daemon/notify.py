"""sd_notify: tell systemd that the daemon is ready, alive, reloading or stopping."""

from __future__ import annotations

import logging
import os
import socket

_log = logging.getLogger("chronotick.daemon")


def sd_notify(message: str) -> None:
    """Tell systemd, if it started this process (``$NOTIFY_SOCKET``, see the manual page).

    A socket that does not answer is logged, never raised.
    """
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as s:
            s.sendto(message.encode(), address)
    except OSError as error:
        _log.debug("systemd was not told %r: %s", message, error)


def watchdog_interval_s() -> float | None:
    """Half of systemd's watchdog period, or ``None`` where there is none."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    if not microseconds.isdigit() or os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(
        os.getpid()
    ):
        return None
    return int(microseconds) / 2e6
