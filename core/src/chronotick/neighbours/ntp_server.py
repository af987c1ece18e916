"""An NTP server of the served time, for containers and neighbours (RFC 5905, modes 3 and 4).

It answers each question with 48 bytes, never more than it was asked with. Extension fields and
message authentication codes are left unread: the answer is plain, and a client that insists on
authentication discards it.

The receive stamp is the kernel's. A stamp that is late, or a transmit stamp that is early, only
makes the path look longer than it is, by more than the error it causes in the client's offset.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, cast

from chronotick.neighbours.ntp_reply import precision_exponent, time_reply, unsynchronised_reply
from chronotick.neighbours.problem import NeighbourError
from chronotick.neighbours.rate_limit import RateLimiter, Verdict
from chronotick.neighbours.reference import Reference
from chronotick.neighbours.standing import Standing
from chronotick.ntp.packet import Packet
from chronotick.ntp.replying import (
    RATE,
    Departure,
    delayed,
    kernel_arrival_ns,
    kiss,
    parse_request,
    take_datagrams,
)
from chronotick.ntp.timestamps import (
    STAMP_PRECISION_NS,
    Received,
    enable_kernel_stamps,
    raw_now_ns,
)
from chronotick.shm.clocks import system_minus_raw_ns

log = logging.getLogger("chronotick.neighbours")

SCATTER_NS = 15_000
"""99th percentile of the error of an exchange with kernel stamps, by bench/ntp_server.py."""


@dataclass(slots=True)
class Counters:
    """What a server did so far.

    Attributes:
        requests: datagrams received.
        answered: replies with a time that somebody vouches for.
        unsynchronised: replies that say there is none.
        kissed: replies that ask to slow down.
        limited: requests beyond the rate of their address, left without any reply.
        malformed: datagrams that are no request of an NTP client of version 3 or 4; ignored.
        unsent: replies that the kernel did not take.
        user_stamped: requests without a usable kernel timestamp.
    """

    requests: int = 0
    answered: int = 0
    unsynchronised: int = 0
    kissed: int = 0
    limited: int = 0
    malformed: int = 0
    unsent: int = 0
    user_stamped: int = 0

    def __str__(self) -> str:
        counts = {field.name: getattr(self, field.name) for field in fields(self)}
        return ", ".join(f"{count} {name.replace('_', '-')}" for name, count in counts.items())


def bind(host: str, port: int) -> socket.socket:
    """Take a UDP port of this machine.

    Args:
        host: an address of this machine, IPv4 or IPv6, or a name of it.
        port: 0 takes any free one.

    Raises:
        NeighbourError: it is taken, not ours to take, or the address is not of this machine.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        sock = socket.socket(family, socket.SOCK_DGRAM)
        try:
            sock.settimeout(0)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind(address)
        except BaseException:
            sock.close()
            raise
    except OSError as error:
        raise NeighbourError(
            f"NTP: cannot answer on {host} port {port}: {error.strerror}. "
            "Choose another address with --ntp; ports below 1024 need a privilege"
        ) from error
    return sock


class NtpServer:
    """Answers on one UDP port, in the running event loop.

    Args:
        sock: a bound socket that does not block; closed with the server.
        standing: how things stand now.
        reference: whose time it is now.
        limiter: how much is answered.

    Attributes:
        counters: what it did so far.
        address: host and port it answers on.
    """

    def __init__(
        self,
        sock: socket.socket,
        standing: Callable[[], Standing],
        reference: Callable[[], Reference],
        limiter: RateLimiter,
    ) -> None:
        self.counters = Counters()
        host, port = sock.getsockname()[:2]
        self.address: tuple[str, int] = (host, port)
        self._sock = sock
        self._standing = standing
        self._reference = reference
        self._limiter = limiter
        self._departure = Departure()
        scatter_ns = SCATTER_NS + STAMP_PRECISION_NS[enable_kernel_stamps(sock)]
        self._precision = precision_exponent(scatter_ns)

    def __str__(self) -> str:
        host, port = self.address
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def start(self) -> None:
        """Begin to answer."""
        asyncio.get_running_loop().add_reader(self._sock, self._read)
        log.info("NTP: answering on %s", self)

    def stop(self) -> None:
        """Stop answering and give the port back."""
        asyncio.get_running_loop().remove_reader(self._sock)
        self._sock.close()
        log.info("NTP: stopped answering on %s: %s", self, self.counters)

    def _read(self) -> None:
        take_datagrams(self._sock, self._handle)

    def _handle(self, received: Received) -> None:
        self.counters.requests += 1
        request = parse_request(received.data)
        if request is None:
            self.counters.malformed += 1
            return
        address = cast("tuple[Any, ...]", received.address)
        verdict = self._limiter.judge(address[0], received.raw_ns)
        if verdict is Verdict.DROP:
            self.counters.limited += 1
            return
        arrived_ns = kernel_arrival_ns(received)
        if arrived_ns is None:
            self.counters.user_stamped += 1
            arrived_ns = received.raw_ns
        self._answer(request, address, arrived_ns, slow_down=verdict is Verdict.KISS)

    def _answer(
        self, request: Packet, address: tuple[Any, ...], arrived_ns: int, *, slow_down: bool
    ) -> None:
        """Send a reply, made for one reading of the clock and moved on to a second at the end.

        So making it takes no time between reading the clock and sending; the oscillator's frequency
        and the growth of the bound make no difference over microseconds.
        """
        standing, first_ns = self._standing(), raw_now_ns()
        reply = self._reply(request, standing, arrived_ns, first_ns + self._departure.expected_ns())
        data = (kiss(reply, RATE) if slow_down else reply).pack()
        read_ns = raw_now_ns()
        try:
            self._sock.sendto(delayed(data, read_ns - first_ns), address)
        except OSError:
            self.counters.unsent += 1
            return
        self._departure.learn(self._sock, read_ns)
        self._count(standing, slow_down=slow_down)

    def _reply(
        self, request: Packet, standing: Standing, arrived_ns: int, leaves_ns: int
    ) -> Packet:
        if standing.record is not None:
            return time_reply(
                request,
                standing.record,
                self._reference(),
                precision=self._precision,
                arrived_ns=arrived_ns,
                leaves_ns=leaves_ns,
            )
        system_ns = system_minus_raw_ns()
        return unsynchronised_reply(
            request,
            precision=self._precision,
            received_ns=arrived_ns + system_ns,
            sent_ns=leaves_ns + system_ns,
        )

    def _count(self, standing: Standing, *, slow_down: bool) -> None:
        if slow_down:
            self.counters.kissed += 1
        elif standing.record is None:
            self.counters.unsynchronised += 1
        else:
            self.counters.answered += 1
