"""When a packet left and arrived, by the kernel's clock, on the CLOCK_MONOTONIC_RAW axis.

A user-space ``time()`` after ``recvmsg`` is late by however long the interpreter was busy: 17 µs at
the median on an idle machine, tens of milliseconds beside a running model. The kernel stamps both
ways instead (Linux, ``Documentation/networking/timestamping.rst``), within a microsecond under any
load. Its stamps are CLOCK_REALTIME, which others may step or slew; pairs of both clocks taken
around the exchange carry them over to CLOCK_MONOTONIC_RAW, which nobody touches.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

from chronotick.ntp.measurement import Stamps
from chronotick.ntp.packet import NS_PER_S

# Linux, asm-generic/socket.h and linux/net_tstamp.h; the socket module does not name them.
_SO_TIMESTAMPNS = 35
_SO_TIMESTAMPING = 37
_TX_SOFTWARE = 1 << 1
_SOFTWARE = 1 << 4
_OPT_ID = 1 << 7
_OPT_CMSG = 1 << 10
_OPT_TSONLY = 1 << 11
_TRANSMIT_FLAGS = _TX_SOFTWARE | _SOFTWARE | _OPT_ID | _OPT_CMSG | _OPT_TSONLY
_TIMESPEC = struct.Struct("@ll")

DATAGRAM_BYTES = 2048
ANCILLARY_BYTES = 512

STAMP_PRECISION_NS = {
    # What a kind of stamp adds to the precision: 99th percentile of its lag on an idle machine,
    # measured on loopback (user transmit 16 µs early, user receive 66 µs late).
    Stamps.KERNEL: 0,
    Stamps.KERNEL_RX: 16_000,
    Stamps.USER: 82_000,
}

MAX_SLEW = 1e-3
"""Fastest change of CLOCK_REALTIME against RAW taken for slewing: the kernel's own limit is 500 ppm
for its frequency and another 500 ppm for ``adjtime``. Anything faster counts as a step."""

_PAIR_ATTEMPTS = 5
_GOOD_PAIR_NS = 2_000


@dataclass(frozen=True, slots=True)
class ClockPair:
    """CLOCK_REALTIME and CLOCK_MONOTONIC_RAW read at the same moment.

    Attributes:
        realtime_ns: CLOCK_REALTIME.
        raw_ns: CLOCK_MONOTONIC_RAW at the middle of the reading.
        window_ns: length of the reading; the pair is off by at most half of it.
    """

    realtime_ns: int
    raw_ns: int
    window_ns: int


def raw_now_ns() -> int:
    """CLOCK_MONOTONIC_RAW now."""
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)


def read_pair() -> ClockPair:
    """Read both clocks, again if the reading was interrupted, and keep the tightest."""
    best = _read_pair_once()
    for _ in range(_PAIR_ATTEMPTS - 1):
        if best.window_ns <= _GOOD_PAIR_NS:
            break
        best = min(best, _read_pair_once(), key=lambda pair: pair.window_ns)
    return best


def _read_pair_once() -> ClockPair:
    first_ns = raw_now_ns()
    realtime_ns = time.clock_gettime_ns(time.CLOCK_REALTIME)
    last_ns = raw_now_ns()
    return ClockPair(realtime_ns, (first_ns + last_ns) // 2, last_ns - first_ns)


class ClockSteppedError(Exception):
    """Raised when CLOCK_REALTIME was stepped between two pairs.

    Attributes:
        step_ns: how far it moved against CLOCK_MONOTONIC_RAW.
    """

    def __init__(self, step_ns: int) -> None:
        super().__init__(f"the system clock was stepped by {step_ns / 1e9:+.6f} s")
        self.step_ns = step_ns


@dataclass(frozen=True, slots=True)
class RawScale:
    """Carries CLOCK_REALTIME stamps over to CLOCK_MONOTONIC_RAW, between two pairs.

    Attributes:
        before: pair taken before the first stamp.
        after: pair taken after the last.
    """

    before: ClockPair
    after: ClockPair

    @property
    def moved_ns(self) -> int:
        """How far CLOCK_REALTIME moved against RAW between the pairs."""
        realtime_ns = self.after.realtime_ns - self.before.realtime_ns
        return realtime_ns - (self.after.raw_ns - self.before.raw_ns)

    @property
    def uncertainty_ns(self) -> int:
        """Largest error of a converted stamp: wherever in between the rate changed."""
        window_ns = max(self.before.window_ns, self.after.window_ns)
        return abs(self.moved_ns) + (window_ns + 1) // 2

    def check(self) -> None:
        """Make sure that CLOCK_REALTIME ran between the pairs, slewed at most.

        Raises:
            ClockSteppedError: it was stepped.
        """
        elapsed_ns = self.after.raw_ns - self.before.raw_ns
        noise_ns = self.before.window_ns + self.after.window_ns
        if abs(self.moved_ns) > noise_ns + int(elapsed_ns * MAX_SLEW):
            raise ClockSteppedError(self.moved_ns)

    def to_raw_ns(self, realtime_ns: int) -> int:
        """Convert one stamp by interpolation."""
        since_ns = realtime_ns - self.before.realtime_ns
        span_ns = self.after.realtime_ns - self.before.realtime_ns
        moved_ns = self.moved_ns * since_ns // span_ns if span_ns else 0
        return self.before.raw_ns + since_ns - moved_ns


def enable_kernel_stamps(sock: socket.socket) -> Stamps:
    """Ask the kernel to stamp what the socket sends and receives; say what it agreed to."""
    if sys.platform != "linux":
        return Stamps.USER
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    except OSError:
        return Stamps.USER
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPING, _TRANSMIT_FLAGS)
    except OSError:
        return Stamps.KERNEL_RX
    return Stamps.KERNEL


@contextlib.contextmanager
def stamping_kept_on() -> Iterator[None]:
    """Keep the kernel's receive stamping running while exchanges come and go.

    Linux switches it on with the first socket that wants it, *later* than ``setsockopt`` returns,
    and off after the last. A packet that arrives before gets the time of ``recvmsg`` as its stamp.
    One idle socket held open avoids that for every exchange but the earliest.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as keeper:
        enable_kernel_stamps(keeper)
        yield


@dataclass(frozen=True, slots=True)
class Received:
    """A datagram with its times.

    Attributes:
        data: the payload.
        address: who sent it, as the socket module spells addresses.
        raw_ns: user-space CLOCK_MONOTONIC_RAW, read before the datagram was taken.
        kernel_ns: the kernel's CLOCK_REALTIME stamp, where there is a genuine one.
    """

    data: bytes
    address: object
    raw_ns: int
    kernel_ns: int | None


def receive(sock: socket.socket) -> Received:
    """Take one datagram from a non-blocking socket, with its stamp.

    Raises:
        OSError: nothing there (BlockingIOError), or what ICMP reported.
    """
    raw_ns = raw_now_ns()
    realtime_ns = time.clock_gettime_ns(time.CLOCK_REALTIME)
    data, ancillary, _, address = sock.recvmsg(DATAGRAM_BYTES, ANCILLARY_BYTES)
    stamp_ns = _timespec(ancillary, _SO_TIMESTAMPNS)
    if stamp_ns is not None and stamp_ns > realtime_ns:
        # The datagram was waiting before we read the clock: a later stamp was made up when we
        # took it (see `stamping_kept_on`), and is a user-space stamp in disguise.
        stamp_ns = None
    return Received(data, address, raw_ns, stamp_ns)


def transmit_stamp(sock: socket.socket) -> int | None:
    """CLOCK_REALTIME at which the last packet left, None while the kernel has not said.

    Never blocks: a stamp can be late, or not come at all.
    """
    if sys.platform != "linux":
        return None
    try:
        _, ancillary, _, _ = sock.recvmsg(
            1, ANCILLARY_BYTES, socket.MSG_ERRQUEUE | socket.MSG_DONTWAIT
        )
    except OSError:  # empty, or an ICMP error that the next receive() reports again
        return None
    return _timespec(ancillary, _SO_TIMESTAMPING)


def _timespec(ancillary: list[tuple[int, int, bytes]], kind: int) -> int | None:
    for level, found, data in ancillary:
        if level == socket.SOL_SOCKET and found == kind and len(data) >= _TIMESPEC.size:
            seconds, nanoseconds = _TIMESPEC.unpack_from(data)
            return seconds * NS_PER_S + nanoseconds if seconds else None
    return None
