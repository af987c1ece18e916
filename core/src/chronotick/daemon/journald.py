"""Log lines for systemd's journal, with their fields, by its native protocol.

https://systemd.io/JOURNAL_NATIVE_PROTOCOL/: one datagram per entry, or, if it is too large for one,
a sealed file in memory whose descriptor is sent.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import socket
import traceback
from pathlib import Path

from chronotick.daemon.events import Value, event_of

JOURNAL = Path("/run/systemd/journal/socket")
PREFIX = "CHRONOTICK_"

# Linux's fcntl.h; Python's fcntl module has them from 3.8 on where the C library does.
_SEALS = sum(getattr(fcntl, f"F_SEAL_{name}", 0) for name in ("SHRINK", "GROW", "WRITE", "SEAL"))
_TOO_LARGE = {errno.EMSGSIZE, errno.ENOBUFS}
_PRIORITIES = (  # syslog's, by the least level
    (logging.CRITICAL, 2),
    (logging.ERROR, 3),
    (logging.WARNING, 4),
    (logging.INFO, 6),
)


class JournalHandler(logging.Handler):
    """Sends entries to the journal; one that it does not take goes to standard error instead.

    It never waits: a journal that is busy must not hold up the clock.

    Args:
        fallback: where an entry goes that cannot be sent.
        path: the journal's socket.

    Raises:
        OSError: nobody listens there.
    """

    def __init__(self, fallback: logging.Handler, path: Path = JOURNAL) -> None:
        super().__init__()
        self._fallback = fallback
        self._path = str(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.settimeout(0)  # non-blocking
        try:
            self._socket.connect(self._path)
        except OSError:
            self._socket.close()
            raise

    def emit(self, record: logging.LogRecord) -> None:
        """Send an entry; what is wrong with one is told on standard error, and never raised."""
        try:
            self._send(encoded(fields_of(record)))
        except OSError:
            self._fallback.handle(record)
        except Exception:  # noqa: BLE001 - a line of the log must not end what it tells about
            self.handleError(record)

    def close(self) -> None:
        """Let go of the socket."""
        self._socket.close()
        super().close()

    def _send(self, entry: bytes) -> None:
        try:
            self._socket.send(entry)
        except BlockingIOError:  # it is busy
            raise
        except OSError as error:
            if error.errno in _TOO_LARGE:
                self._send_in_memory(entry)
            else:  # it was restarted, or will be
                self._socket.connect(self._path)
                self._socket.send(entry)

    def _send_in_memory(self, entry: bytes) -> None:
        descriptor = os.memfd_create("chronotick-journal", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        with open(descriptor, "wb", buffering=0) as file:  # noqa: PTH123 - of a descriptor
            file.write(entry)
            with contextlib.suppress(OSError):  # the journal takes unsealed ones of root's as well
                fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SEALS)
            socket.send_fds(self._socket, [b""], [descriptor])


def fields_of(record: logging.LogRecord) -> dict[str, Value]:
    """Fields of a journal entry: well-known ones, and ours with a prefix."""
    event, fields = event_of(record)
    entry: dict[str, Value] = {
        "MESSAGE": _message(record),
        "PRIORITY": next((number for level, number in _PRIORITIES if record.levelno >= level), 7),
        "SYSLOG_IDENTIFIER": "chronotick",
        "SYSLOG_PID": os.getpid(),
        f"{PREFIX}LOGGER": record.name,
    }
    if event:
        entry[f"{PREFIX}EVENT"] = event
    own = {PREFIX + key.upper(): value for key, value in fields.items() if value not in {None, ""}}
    return entry | own


def encoded(fields: dict[str, Value]) -> bytes:
    """Fields as the journal reads them; a value of several lines is preceded by its length."""
    parts = []
    for name, value in fields.items():
        data = str(value).encode("utf-8", "backslashreplace")
        if b"\n" in data:
            parts.append(name.encode() + b"\n" + len(data).to_bytes(8, "little") + data + b"\n")
        else:
            parts.append(name.encode() + b"=" + data + b"\n")
    return b"".join(parts)


def _message(record: logging.LogRecord) -> str:
    message = record.getMessage()
    if record.exc_info and record.exc_info[0] is not None:
        message += "\n" + "".join(traceback.format_exception(*record.exc_info)).rstrip()
    return message
