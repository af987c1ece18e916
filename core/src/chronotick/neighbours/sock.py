"""A reference clock for chronyd (``refclock SOCK``) and ntpd-rs (``mode = "sock"``).

Both listen on a Unix datagram socket for samples of how far the system clock is off. The message
is chrony's ``struct sock_sample`` (refclock_sock.c, since chrony 1.24): when (system time), offset
true - system, pulse, leap, padding, magic number, in the machine's own layout.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
import struct
from collections.abc import Callable
from pathlib import Path

from chronotick.neighbours.problem import NeighbourError
from chronotick.neighbours.standing import Standing, leap_of
from chronotick.ntp.timestamps import ClockPair, read_pair
from chronotick.shm.record import Record, time_at

log = logging.getLogger("chronotick.neighbours")

SAMPLE = struct.Struct("@lldiiii")
"""tv_sec, tv_usec, offset (s), pulse, leap, padding, magic: 40 bytes on 64-bit machines."""

MAGIC = 0x534F434B  # "SOCK"
NO_PULSE = 0  # the sample says which second it is, unlike that of a pulse per second
LONGEST_PATH = 107  # bytes; sockaddr_un has one more, for the end
_NOBODY = frozenset({errno.ENOENT, errno.ECONNREFUSED, errno.ENOTDIR})
_FULL = frozenset({errno.EAGAIN, errno.ENOBUFS})


def sample(record: Record, pair: ClockPair) -> bytes:
    """What is sent about a moment.

    Args:
        record: one that holds at that moment.
        pair: system clock and RAW at that moment.
    """
    # The offset hardly changes within the microsecond to which the moment is rounded.
    offset_ns = time_at(record, pair.raw_ns) - pair.realtime_ns
    seconds, rest_ns = divmod(pair.realtime_ns, 1_000_000_000)
    return SAMPLE.pack(
        seconds, rest_ns // 1000, offset_ns * 1e-9, NO_PULSE, leap_of(record), 0, MAGIC
    )


class SockFeed:
    """Sends samples to one listener, which may come, go and come back.

    Args:
        path: the socket that the listener makes.
        standing: how things stand now.

    Raises:
        NeighbourError: no socket can have such a long path.

    Attributes:
        sent: samples that were taken.
    """

    def __init__(self, path: Path, standing: Callable[[], Standing]) -> None:
        if len(os.fsencode(path)) > LONGEST_PATH:
            raise NeighbourError(
                f"SOCK: {path} is longer than the {LONGEST_PATH} bytes that the path of a socket "
                "may have. Choose a shorter one"
            )
        self.sent = 0
        self._path = path
        self._standing = standing
        self._said: str | None = None
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.settimeout(0)

    async def keep(self, interval_s: float) -> None:
        """Send for ever, one sample per interval."""
        while True:
            self.send()
            await asyncio.sleep(interval_s)

    def send(self) -> None:
        """Send one sample, or nothing while nobody vouches for a time."""
        record = self._standing().record
        if record is None:
            return
        try:
            self._socket.sendto(sample(record, read_pair()), os.fspath(self._path))
        except OSError as error:
            self._say(_trouble(error))
        else:
            self.sent += 1
            self._say("")

    def close(self) -> None:
        """Stop sending."""
        self._socket.close()
        log.info("SOCK %s: stopped, %d samples sent", self._path, self.sent)

    def _say(self, trouble: str) -> None:
        if trouble == self._said:
            return
        self._said = trouble
        if trouble:
            log.warning("SOCK %s: %s; trying on", self._path, trouble)
        else:
            log.info("SOCK %s: samples are taken", self._path)


def _trouble(error: OSError) -> str:
    if error.errno in _NOBODY:
        return "nobody listens there (is the time daemon running, with this path configured?)"
    if error.errno in _FULL:
        return "the listener does not read its samples"
    if error.errno in {errno.EACCES, errno.EPERM}:
        return "not writable for this user: run as the listener's user, or as root"
    return f"samples cannot be sent ({error.strerror})"
