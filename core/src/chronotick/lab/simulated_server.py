"""One server of a simulated world, answering real NTP packets on a UDP port.

The simulated path is laid on top of the real one without the jitter of this process getting into
it. A request that the kernel received at local time r, with simulated delays d1 out and d2 back,
arrived at the simulated server at r + d1, so ``t2 = truth(r + d1)``. The reply really leaves at
some s, no earlier than r + d1 + d2; in the simulation it has then been under way for d2 already,
so ``t3 = truth(s - d2)``. However late s is, the client sees d1 and d2 exactly: the lateness is
hold time, which NTP subtracts.
"""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from chronotick.lab.network import NS_PER_S, Path, Transit
from chronotick.lab.responder import spoil, time_reply
from chronotick.lab.world import LiveWorld, ServerModel
from chronotick.ntp.measurement import Stamps
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
    Received,
    enable_kernel_stamps,
    raw_now_ns,
)

Address = tuple[Any, ...]
"""As the socket module spells it, by family."""
REHEARSALS = 5


@dataclass(slots=True)
class Counters:
    """What a server did so far.

    Attributes:
        requests: datagrams received.
        answered: replies with a time.
        kissed: replies with a kiss code.
        lost: requests that the simulated network lost, on either way.
        silenced: requests ignored because of `SimulatedServer.outage`.
        malformed: datagrams that are no NTP request of a client; ignored.
        unsent: replies that the kernel did not take.
        user_stamped: requests without a usable kernel timestamp; their forward delay is too long
            by however late this process was.
    """

    requests: int = 0
    answered: int = 0
    kissed: int = 0
    lost: int = 0
    silenced: int = 0
    malformed: int = 0
    unsent: int = 0
    user_stamped: int = 0


@dataclass(frozen=True, slots=True)
class _Answer:
    """A request that will be answered."""

    request: Packet
    address: Address
    arrived_ns: int
    transit: Transit
    kiss_code: str | None

    @property
    def earliest_departure_ns(self) -> int:
        return self.arrived_ns + self.transit.forward_ns + self.transit.backward_ns


class SimulatedServer:
    """One server of a world, on one UDP port. Made and run by `chronotick.lab.server.serve`.

    Attributes:
        number: its place in the world's list, 0 is the first.
        model: how it behaves now; see `change`.
        outage: while true it says nothing.
        counters: what it did so far.
        address: host and port it answers on.
    """

    def __init__(self, number: int, live: LiveWorld, sock: socket.socket) -> None:
        self.number = number
        self.model = live.world.servers[number]
        self.outage = False
        self.counters = Counters()
        host, port = sock.getsockname()[:2]
        self.address: tuple[str, int] = (host, port)
        self._live = live
        self._path = live.paths[number]
        self._path_changes = 0
        self._sock = sock
        self._stamps = enable_kernel_stamps(sock)
        self._departure = Departure()
        self._last_request_ns: dict[str, int] = {}
        self._last_reply = b""

    def __str__(self) -> str:
        """The address as the configuration spells it: ``host:port`` or ``[v6]:port``."""
        host, port = self.address
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def change(self, **behaviour: object) -> None:
        """Change attributes of the model from now on, e.g. ``change(lie=None, stratum=3)``.

        Raises:
            pydantic.ValidationError: there is no such attribute, or it cannot have such a value.
        """
        self.model = ServerModel.model_validate(dict(self.model) | behaviour)
        if "path" in behaviour:
            self._path_changes += 1
            key = (1, self.number, self._path_changes)
            seed = np.random.SeedSequence(self._live.world.seed, spawn_key=key)
            self._path = Path(self.model.path, seed)

    def start(self) -> None:
        """Begin to answer, in the running event loop."""
        self._rehearse()
        asyncio.get_running_loop().add_reader(self._sock, self._read)

    def stop(self) -> None:
        """Stop answering and give the port back. Replies under way are lost."""
        asyncio.get_running_loop().remove_reader(self._sock)
        self._sock.close()

    def _read(self) -> None:
        take_datagrams(self._sock, self._handle)

    def _handle(self, received: Received) -> None:
        self.counters.requests += 1
        arrived_ns = self._arrival_ns(received)
        request = parse_request(received.data)
        if request is None:
            self.counters.malformed += 1
            return
        if self.outage:
            self.counters.silenced += 1
            return
        transit = self._path.transit(self._live.elapsed_s(arrived_ns))
        if transit is None:
            self.counters.lost += 1
            return
        address = cast("Address", received.address)
        code = self.model.kiss or self._rate_limit(address[0], arrived_ns)
        self._depart_when_due(_Answer(request, address, arrived_ns, transit, code))

    def _arrival_ns(self, received: Received) -> int:
        arrived_ns = kernel_arrival_ns(received)
        if arrived_ns is not None:
            return max(arrived_ns, self._live.world.start_raw_ns)
        self.counters.user_stamped += 1
        return received.raw_ns

    def _rate_limit(self, host: str, arrived_ns: int) -> str | None:
        limit_ns = self.model.min_interval_s * NS_PER_S
        if not limit_ns:
            return None
        last_ns = self._last_request_ns.get(host)
        self._last_request_ns[host] = arrived_ns
        return RATE if last_ns is not None and arrived_ns - last_ns < limit_ns else None

    def _depart_when_due(self, answer: _Answer) -> None:
        if self._sock.fileno() < 0:  # stopped meanwhile
            return
        hold_ns = round(self.model.hold_s * NS_PER_S)
        wait_ns = answer.earliest_departure_ns + hold_ns - raw_now_ns()
        if wait_ns > 0:
            loop = asyncio.get_running_loop()
            loop.call_later(wait_ns / NS_PER_S, self._depart_when_due, answer)
        else:
            self._depart(answer)

    def _depart(self, answer: _Answer) -> None:
        self._last_reply, read_ns = self._prepare(answer)
        try:
            self._sock.sendto(self._last_reply, answer.address)
        except OSError:
            self.counters.unsent += 1
            return
        self._departure.learn(self._sock, read_ns)
        if answer.kiss_code:
            self.counters.kissed += 1
        else:
            self.counters.answered += 1

    def _prepare(self, answer: _Answer) -> tuple[bytes, int]:
        """The bytes to send, and the clock reading that their transmit timestamp counts from.

        The packet is made for a first reading and moved on to a second one at the end, so that
        making it takes no time between reading the clock and sending. The oscillator's frequency
        makes no difference over microseconds.
        """
        first_ns = raw_now_ns()
        reply = self._reply(answer, first_ns + self._departure.expected_ns())
        data = spoil(reply, self.model.fault, self._last_reply)
        read_ns = raw_now_ns()
        return (data if self.model.fault else delayed(data, read_ns - first_ns)), read_ns

    def _reply(self, answer: _Answer, leaves_ns: int) -> Packet:
        transit = answer.transit
        elapsed_s = self._live.elapsed_s(answer.arrived_ns)
        lie_ns = self.model.lie.at_ns(elapsed_s) if self.model.lie else 0
        reply = time_reply(
            answer.request,
            self.model,
            t2_ns=self._live.truth(answer.arrived_ns + transit.forward_ns) + lie_ns,
            t3_ns=self._live.truth(leaves_ns - transit.backward_ns) + lie_ns,
        )
        return kiss(reply, answer.kiss_code) if answer.kiss_code else reply

    def _rehearse(self) -> None:
        """Send replies to nobody, to know how long sending takes before the first one counts."""
        if self._stamps is not Stamps.KERNEL:
            return
        with socket.socket(self._sock.family, socket.SOCK_DGRAM) as nobody:
            nobody.bind((self.address[0], 0))
            for _ in range(REHEARSALS):
                now_ns = raw_now_ns()
                answer = _Answer(Packet(), nobody.getsockname(), now_ns, Transit(0, 0), None)
                data, read_ns = self._prepare(answer)
                self._sock.sendto(data, answer.address)
                self._departure.learn(self._sock, read_ns)
