"""What every NTP server here needs: reading requests, marking replies, stamping both ways.

Used by the simulated servers of the lab and by the server that hands on ChronoTick's own time.
"""

from __future__ import annotations

import dataclasses
import socket
import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from chronotick.ntp.packet import (
    LEAP_UNSYNCHRONISED,
    MODE_CLIENT,
    NS_PER_S,
    Packet,
    PacketError,
)
from chronotick.ntp.timestamps import Received, read_pair, receive, transmit_stamp

OLDEST_VERSION = 3
NEWEST_VERSION = 4
RATE = "RATE"
OLDEST_STAMP_NS = NS_PER_S
"""A stamp further from the clock than this means that the system clock was stepped in between."""

DATAGRAMS_PER_WAKE = 64
"""So that a flood on one port does not starve what else the event loop has to do."""

_LATENCY_SAMPLES = 15
_STAMP = struct.Struct("!Q")
_TRANSMIT_BYTE = 40


def take_datagrams(sock: socket.socket, handle: Callable[[Received], None]) -> None:
    """Handle what has arrived at a socket, as its reader in an event loop.

    What is there beyond :data:`DATAGRAMS_PER_WAKE` is left for the next turn of the loop.

    Args:
        sock: one that does not block.
        handle: is given each datagram.
    """
    while transmit_stamp(sock) is not None:
        pass  # a stamp that came late; left there, it would wake us for ever
    for _ in range(DATAGRAMS_PER_WAKE):
        try:
            received = receive(sock)
        except OSError:  # nothing more
            return
        handle(received)


def parse_request(data: bytes) -> Packet | None:
    """The request in a datagram; None when it is not a client's NTP request."""
    try:
        request = Packet.unpack(data)
    except PacketError:
        return None
    if request.mode != MODE_CLIENT or not OLDEST_VERSION <= request.version <= NEWEST_VERSION:
        return None
    return request


def kiss(reply: Packet, code: str) -> Packet:
    """The reply turned into a kiss-o'-death packet (RFC 5905, section 7.4)."""
    return dataclasses.replace(
        reply,
        leap=LEAP_UNSYNCHRONISED,
        stratum=0,
        reference_id=int.from_bytes(code.encode("ascii"), "big"),
    )


def delayed(reply: bytes, by_ns: int) -> bytes:
    """A packed reply whose transmit timestamp is `by_ns` later."""
    (stamp,) = _STAMP.unpack_from(reply, _TRANSMIT_BYTE)
    later = (stamp + (by_ns << 32) // NS_PER_S) % (1 << 64)
    return reply[:_TRANSMIT_BYTE] + _STAMP.pack(later) + reply[_TRANSMIT_BYTE + _STAMP.size :]


def kernel_arrival_ns(received: Received) -> int | None:
    """When a datagram arrived (RAW, ns) by the kernel's stamp; None without a usable stamp."""
    if received.kernel_ns is None:
        return None
    arrived_ns = _to_raw_ns(received.kernel_ns)
    return arrived_ns if abs(received.raw_ns - arrived_ns) < OLDEST_STAMP_NS else None


@dataclass(slots=True)
class Departure:
    """How long a reply takes from reading the clock to leaving, by the kernel's transmit stamps.

    The shortest of the recent ones is expected: a reply that leaves later than it says has taken a
    little longer on its way, one that leaves earlier would have been faster than its path allows.
    """

    samples_ns: deque[int] = field(default_factory=lambda: deque(maxlen=_LATENCY_SAMPLES))

    def expected_ns(self) -> int:
        """What to add to a clock reading for the time at which the packet leaves (ns)."""
        return min(self.samples_ns, default=0)

    def learn(self, sock: socket.socket, read_ns: int) -> None:
        """Take in the stamp of the packet just sent, made for a clock reading (RAW, ns)."""
        stamp_ns = transmit_stamp(sock)
        if stamp_ns is not None:
            self.samples_ns.append(max(_to_raw_ns(stamp_ns) - read_ns, 0))


def _to_raw_ns(realtime_ns: int) -> int:
    """A CLOCK_REALTIME stamp of the last milliseconds on the CLOCK_MONOTONIC_RAW axis."""
    pair = read_pair()
    return pair.raw_ns - (pair.realtime_ns - realtime_ns)
