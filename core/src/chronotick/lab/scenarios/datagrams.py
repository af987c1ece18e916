"""Datagram sockets of a virtual host, with the kernel's time stamps on what they send and receive.

They speak as much of the interface of ``socket.socket`` as :mod:`chronotick.ntp.exchange` uses,
with control messages as Linux lays them out (``Documentation/networking/timestamping.rst``): the
code that reads stamps, pairs clocks and drops packets is the daemon's own.
"""

from __future__ import annotations

import heapq
import itertools
import socket
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from chronotick.lab.network import NS_PER_S
from chronotick.lab.scenarios.host import Host
from chronotick.lab.scenarios.loop import HostLoop

if TYPE_CHECKING:
    from typing_extensions import Self  # in typing from Python 3.11

_SO_TIMESTAMPNS = 35  # asm-generic/socket.h
_SO_TIMESTAMPING = 37
_TIMESPEC = struct.Struct("@ll")

OWN_ADDRESS = ("192.0.2.254", 49_152)
"""Of the virtual host: reserved for documentation (RFC 5737)."""

Datagram = tuple[bytes, list[tuple[int, int, bytes]], int, Any]
"""As ``socket.recvmsg`` returns one: payload, control messages, flags, sender."""


class Carrier(Protocol):
    """Carries datagrams to servers and back."""

    def carry(self, sock: VirtualSocket, data: bytes) -> None:
        """Take a datagram that was just sent."""


class VirtualSocket:
    """A connected datagram socket.

    Args:
        host: whose clock stamps what passes.
        loop: told when something arrives.
        carrier: takes what is sent.
    """

    def __init__(self, host: Host, loop: HostLoop, carrier: Carrier) -> None:
        self.peer: Any = None
        self.closed = False
        self._host = host
        self._loop = loop
        self._carrier = carrier
        self._order = itertools.count()
        self._arrivals: list[tuple[int, int, bytes]] = []  # due, order, payload
        self._departed_ns: list[int] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the port back: what arrives later is nobody's."""
        self.closed = True
        self._arrivals.clear()

    def settimeout(self, value: float | None) -> None:
        """Do nothing: it never blocks."""

    def setsockopt(self, level: int, option: int, value: int) -> None:
        """Do nothing: everything is stamped."""

    def connect(self, address: object) -> None:
        """Talk to this address from now on."""
        self.peer = address

    def getpeername(self) -> object:
        """Whom it talks to."""
        return self.peer

    def getsockname(self) -> tuple[str, int]:
        """Where it is itself."""
        return OWN_ADDRESS

    def send(self, data: bytes) -> int:
        """Send a datagram."""
        self._departed_ns.append(self._loop.raw_ns())
        self._carrier.carry(self, data)
        return len(data)

    def arrive(self, due_ns: int, data: bytes) -> None:
        """Let a datagram arrive at an instant of the local clock."""
        heapq.heappush(self._arrivals, (due_ns, next(self._order), data))
        wait_s = max(0, due_ns - self._loop.raw_ns()) / NS_PER_S
        self._loop.call_at(self._loop.time() + wait_s, self._loop.wake, self)

    @property
    def now_ns(self) -> int:
        """The local clock now."""
        return self._loop.raw_ns()

    @property
    def readable(self) -> bool:
        """Whether something waits, in the queue or the error queue."""
        return bool(self._departed_ns) or self._has_arrived()

    def recvmsg(self, size: int, ancillary_size: int = 0, flags: int = 0) -> Datagram:
        """Take a datagram, or with MSG_ERRQUEUE the stamp of one that was sent.

        Raises:
            BlockingIOError: there is none.
        """
        del ancillary_size
        if flags & socket.MSG_ERRQUEUE:
            if not self._departed_ns:
                raise BlockingIOError
            return b"", [self._stamp(_SO_TIMESTAMPING, self._departed_ns.pop(0))], 0, None
        if not self._has_arrived():
            raise BlockingIOError
        due_ns, _, data = heapq.heappop(self._arrivals)
        return data[:size], [self._stamp(_SO_TIMESTAMPNS, due_ns)], 0, self.peer

    def _has_arrived(self) -> bool:
        # The loop's time is a float: half a nanosecond of rounding must not hold a packet back.
        return bool(self._arrivals) and self._arrivals[0][0] <= self._loop.raw_ns() + 1

    def _stamp(self, kind: int, raw_ns: int) -> tuple[int, int, bytes]:
        now_ns = self._loop.raw_ns()
        stamp_ns = self._host.system(min(raw_ns, now_ns))
        return socket.SOL_SOCKET, kind, _TIMESPEC.pack(*divmod(stamp_ns, NS_PER_S))


class HostSockets:
    """Stands where a program expects the ``socket`` module, and makes virtual sockets.

    Args:
        make: makes one.
    """

    def __init__(self, make: Callable[[], VirtualSocket]) -> None:
        self._make = make

    def socket(self, family: int = -1, kind: int = -1) -> VirtualSocket:
        """Return a new socket."""
        del family, kind
        return self._make()

    def __getattr__(self, name: str) -> object:
        """Whatever else that module has: constants, errors."""
        return getattr(socket, name)
