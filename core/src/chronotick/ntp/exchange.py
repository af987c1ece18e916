"""One question to one server: a UDP packet out, the genuine reply in, a measurement or a reason.

Every exchange has a socket of its own, so that its port is a fresh random one (RFC 9109), and a
transmit timestamp of 64 random bits: a reply that nobody on the path saw cannot be guessed, and
the server learns nothing of the local clock (RFC 5905 allows it; the field is only echoed).
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import secrets
import socket
from collections import Counter
from dataclasses import dataclass, field
from typing import Protocol

from chronotick.ntp.address import Endpoint
from chronotick.ntp.checks import Drop, ReplyDroppedError, check_reply, check_times
from chronotick.ntp.measurement import Measurement, Stamps
from chronotick.ntp.packet import (
    Packet,
    ntp_to_unix_ns,
    precision_to_ns,
    reference_id_of,
    short_to_ns,
)
from chronotick.ntp.timestamps import (
    STAMP_PRECISION_NS,
    ClockPair,
    ClockSteppedError,
    RawScale,
    Received,
    enable_kernel_stamps,
    raw_now_ns,
    read_pair,
    receive,
    transmit_stamp,
)

TRANSMIT_STAMP_WAIT_S = 0.002
"""How long a reply waits for the kernel's stamp of the request, which can come after it."""
_DATAGRAMS_PER_WAKEUP = 32  # a flood must not keep the event loop from everything else


class Seal(Protocol):
    """Authenticates one exchange."""

    def seal(self, header: bytes) -> bytes:
        """Return the request, authenticated."""

    def check(self, data: bytes, packet: Packet) -> None:
        """Check that a datagram is the server's reply to that request.

        Raises:
            ReplyDroppedError: it is not, or the server does not accept the request.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What is asked, and what is accepted.

    Attributes:
        endpoint: the server.
        timeout_s: how long the genuine reply is waited for.
        max_delay_ns: longest delay accepted.
        previous_transmit: transmit timestamp of this server's last accepted reply.
        kernel_stamps: False measures with user-space stamps (for comparison).
        seal: authenticates the exchange; None asks in plain NTP.
    """

    endpoint: Endpoint
    timeout_s: float
    max_delay_ns: int
    previous_transmit: int | None = None
    kernel_stamps: bool = True
    seal: Seal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An accepted reply.

    Attributes:
        measurement: what it says about the clock.
        packet: all its fields.
    """

    measurement: Measurement
    packet: Packet


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How an exchange ended.

    Attributes:
        reply: the accepted reply, None where there was none.
        drops: what was dropped and why, the failure of the whole exchange included.
        kiss: the kiss code received, if any.
        error: the failure in words, empty where there was a reply.
    """

    reply: Reply | None = None
    drops: Counter[Drop] = field(default_factory=Counter)
    kiss: str | None = None
    error: str = ""


async def run_exchange(query: Query) -> Outcome:
    """Ask a server for the time, once.

    A reply that fails a check is counted, and the genuine one still waited for until the deadline:
    a spoofed packet cannot end the exchange. Network failures are outcomes, not exceptions.
    """
    try:
        sock = _open(query)
    except OSError as error:
        return _not_sent(error)
    with sock:
        return await _Conversation(query, sock).run()


def _open(query: Query) -> socket.socket:
    sock = socket.socket(query.endpoint.family, socket.SOCK_DGRAM)
    try:
        sock.settimeout(0)  # non-blocking
        sock.connect(query.endpoint.sockaddr)
    except OSError:
        sock.close()
        raise
    return sock


def _own_identifier(sock: socket.socket) -> int | None:
    """How a server that follows us names us; ``None`` on loopback, where others live as well."""
    host = str(sock.getsockname()[0]).partition("%")[0]
    return None if ipaddress.ip_address(host).is_loopback else reference_id_of(host)


def _not_sent(error: OSError) -> Outcome:
    reason = error.strerror or str(error)
    return Outcome(
        drops=Counter([Drop.NETWORK]),
        error=f"{Drop.NETWORK.words}: {reason}. Check this host's network and firewall",
    )


class _Conversation:
    """The state of one exchange between its request and its end."""

    def __init__(self, query: Query, sock: socket.socket) -> None:
        self._query = query
        self._sock = sock
        self._loop = asyncio.get_running_loop()
        self._peer = sock.getpeername()
        self._ours = _own_identifier(sock)
        self._origin = secrets.randbits(64) or 1  # zero would pass for an empty field
        self._stamps = enable_kernel_stamps(sock) if query.kernel_stamps else Stamps.USER
        self._drops: Counter[Drop] = Counter()
        self._kiss: str | None = None
        self._genuine_seen = False
        self._sent_raw_ns = 0
        self._sent_kernel_ns: asyncio.Future[int] = self._loop.create_future()
        self._before: ClockPair | None = None
        self._accepted: asyncio.Future[tuple[Received, Packet]] = self._loop.create_future()

    async def run(self) -> Outcome:
        self._loop.add_reader(self._sock, self._on_readable)
        try:
            self._before = read_pair()
            self._send()
            return await self._wait()
        except OSError as error:
            return _not_sent(error)
        finally:
            self._loop.remove_reader(self._sock)

    def _send(self) -> None:
        request = Packet(transmit_timestamp=self._origin).pack()
        if self._query.seal is not None:
            request = self._query.seal.seal(request)
        self._sent_raw_ns = raw_now_ns()
        self._sock.send(request)
        self._take_transmit_stamp()

    async def _wait(self) -> Outcome:
        # Not wait_for(): before Python 3.12 it can swallow a cancellation.
        await asyncio.wait({self._accepted}, timeout=self._query.timeout_s)
        if not self._accepted.done():
            return self._timed_out()
        received, packet = self._accepted.result()
        after = read_pair()
        if self._stamps is Stamps.KERNEL and received.kernel_ns is not None:
            await asyncio.wait({self._sent_kernel_ns}, timeout=TRANSMIT_STAMP_WAIT_S)
        try:
            measurement = self._measure(received, packet, after)
        except ReplyDroppedError as dropped:
            return self._failed(dropped.drop)
        except ClockSteppedError as stepped:
            return self._failed(Drop.CLOCK_STEP, str(stepped))
        return Outcome(
            reply=Reply(measurement=measurement, packet=packet),
            drops=self._drops,
            kiss=self._kiss,
        )

    def _on_readable(self) -> None:
        # The error queue wakes us as well, and goes on doing so until it is empty.
        self._take_transmit_stamp()
        for _ in range(_DATAGRAMS_PER_WAKEUP):
            if self._accepted.done():
                return
            try:
                received = receive(self._sock)
            except BlockingIOError:
                return
            except OSError as error:
                refused = error.errno == errno.ECONNREFUSED
                self._drops[Drop.REFUSED if refused else Drop.NETWORK] += 1
            else:
                self._judge(received)

    def _take_transmit_stamp(self) -> None:
        stamp_ns = transmit_stamp(self._sock)
        if stamp_ns is not None and not self._sent_kernel_ns.done():
            self._sent_kernel_ns.set_result(stamp_ns)

    def _judge(self, received: Received) -> None:
        if received.address != self._peer:
            # A connected socket filters; what arrived before connect() finished is not filtered.
            self._drops[Drop.ADDRESS] += 1
            return
        try:
            packet = check_reply(
                received.data,
                origin=self._origin,
                previous_transmit=self._query.previous_transmit,
                ours=self._ours,
                authenticate=self._query.seal.check if self._query.seal else None,
            )
        except ReplyDroppedError as dropped:
            self._drops[dropped.drop] += 1
            self._genuine_seen |= dropped.genuine
            self._kiss = dropped.kiss or self._kiss
        else:
            self._accepted.set_result((received, packet))

    def _measure(self, received: Received, packet: Packet, after: ClockPair) -> Measurement:
        """Combine the four times of the exchange (RFC 5905, section 8)."""
        assert self._before is not None  # noqa: S101  # set before the request was sent
        scale = RawScale(self._before, after)
        stamps, t1_ns, t4_ns = self._local_times(received, scale)
        t2_ns = ntp_to_unix_ns(packet.receive_timestamp, after.realtime_ns)
        t3_ns = ntp_to_unix_ns(packet.transmit_timestamp, after.realtime_ns)
        precision_ns = precision_to_ns(packet.precision) + STAMP_PRECISION_NS[stamps]
        if stamps is not Stamps.USER:
            precision_ns += scale.uncertainty_ns
        delay_ns = check_times(
            round_trip_ns=t4_ns - t1_ns,
            hold_ns=t3_ns - t2_ns,
            precision_ns=precision_ns,
            max_delay_ns=self._query.max_delay_ns,
        )
        return Measurement(
            source=str(self._query.endpoint),
            raw_ns=(t1_ns + t4_ns) // 2,
            offset_ns=((t2_ns - t1_ns) + (t3_ns - t4_ns)) // 2,
            delay_ns=delay_ns,
            precision_ns=precision_ns,
            root_delay_ns=short_to_ns(packet.root_delay),
            root_dispersion_ns=short_to_ns(packet.root_dispersion),
            stratum=packet.stratum,
            leap=packet.leap,
            reference_id=packet.reference_id,
            stamps=stamps,
            authenticated=self._query.seal is not None,
        )

    def _local_times(self, received: Received, scale: RawScale) -> tuple[Stamps, int, int]:
        """Departure and arrival on the RAW axis, by the best stamps there are."""
        if received.kernel_ns is None:
            return Stamps.USER, self._sent_raw_ns, received.raw_ns
        scale.check()
        t4_ns = scale.to_raw_ns(received.kernel_ns)
        if not self._sent_kernel_ns.done():
            return Stamps.KERNEL_RX, self._sent_raw_ns, t4_ns
        return Stamps.KERNEL, scale.to_raw_ns(self._sent_kernel_ns.result()), t4_ns

    def _timed_out(self) -> Outcome:
        if self._genuine_seen or self._drops[Drop.REFUSED]:
            return self._failed(None)
        return self._failed(Drop.TIMEOUT)

    def _failed(self, drop: Drop | None, detail: str = "") -> Outcome:
        if drop is not None:
            self._drops[drop] += 1
        reasons = "; ".join(_counted(found, count) for found, count in self._drops.items() if count)
        if self._kiss:
            reasons += f" (kiss code {self._kiss})"
        return Outcome(
            drops=+self._drops,
            kiss=self._kiss,
            error=detail or reasons,
        )


def _counted(drop: Drop, count: int) -> str:
    return drop.words if count == 1 else f"{drop.words} ({count} times)"
