"""A UDP relay that makes a network out of loopback: delay, jitter, asymmetry, loss.

`python bench/accuracy/relay.py ROUTES.json` relays until SIGTERM, then prints as JSON how late its
packets left. The file holds a list of `Route`s; the paths are those of the simulator
(`chronotick.lab.network.PathModel`), whose delays have a seed.

A packet is due when it arrived, by the kernel's stamp, plus the delay that the path drew. The relay
sleeps until shortly before, waits out the rest, and sends early by what sending takes; the kernel's
stamp of the departure tells how well that went. What a sleeping process cannot do is forward a
packet sooner than the machine wakes it, some 50 to 100 µs: of paths shorter than that, the lateness
printed is part of the network measured, the same for every client.
"""

from __future__ import annotations

import heapq
import itertools
import json
import selectors
import signal
import socket
import statistics
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from chronotick.lab.description import Description
from chronotick.lab.network import NS_PER_S, PathModel
from chronotick.lab.network import Path as NetworkPath
from chronotick.ntp.timestamps import enable_kernel_stamps, receive, transmit_stamp

SPIN_NS = 250_000
"""A sleep ends up to this late; the rest of the wait is spent looking at the clock."""
LAGS = 32
READY = "ready"


class Route(Description):
    """One relay.

    Attributes:
        host: address that clients ask.
        port: its port.
        server_port: where the server is, on 127.0.0.1.
        path: the network between them.
        seed: chance.
    """

    host: str
    port: int
    server_port: int
    path: PathModel
    seed: int


ROUTES = TypeAdapter(list[Route])


@dataclass(frozen=True, order=True)
class Due:
    """A packet under way."""

    due_ns: int
    number: int
    data: bytes = field(compare=False)
    out: Outlet = field(compare=False)


@dataclass
class Outlet:
    """Where packets of one direction leave, and how late they were."""

    sock: socket.socket
    to: object = None
    lags_ns: deque[int] = field(default_factory=lambda: deque([20_000], maxlen=LAGS))
    late_ns: list[int] = field(default_factory=list)

    def send(self, packet: Due) -> None:
        """Wait until the packet is due, and send it."""
        while transmit_stamp(self.sock) is not None:  # a stamp that came too late for its packet
            pass
        hand_over_ns = packet.due_ns - sorted(self.lags_ns)[len(self.lags_ns) // 2]
        to = () if self.to is None else (self.to,)
        send = self.sock.sendto if to else self.sock.send
        while (began_ns := time.clock_gettime_ns(time.CLOCK_REALTIME)) < hand_over_ns:
            pass
        send(packet.data, *to)
        left_ns = transmit_stamp(self.sock)
        if left_ns is not None:
            self.lags_ns.append(left_ns - began_ns)
            self.late_ns.append(left_ns - packet.due_ns)


class Relay:
    """One client's way to one server. The client is whoever asked last."""

    def __init__(self, route: Route, began_ns: int) -> None:
        self._path = NetworkPath(route.path, np.random.SeedSequence(route.seed))
        self._began_ns = began_ns
        self.lost = 0
        self.outer, self.inner = _socket(), _socket()
        self.outer.bind((route.host, route.port))
        self.inner.connect(("127.0.0.1", route.server_port))
        self.forward, self.backward = Outlet(self.inner), Outlet(self.outer)

    def take(self, sock: socket.socket, numbers: itertools.count[int]) -> Due | None:
        """Take a packet; None when it is lost, or there was none."""
        try:
            received = receive(sock)
        except OSError:  # only a departure to report, or nobody listens behind us
            transmit_stamp(sock)
            return None
        arrived_ns = received.kernel_ns or time.clock_gettime_ns(time.CLOCK_REALTIME)
        elapsed_s = (arrived_ns - self._began_ns) / NS_PER_S
        if sock is self.outer:
            self.backward.to = received.address
            delay_ns, out = self._path.forward_ns(elapsed_s), self.forward
        else:
            delay_ns, out = self._path.backward_ns(elapsed_s), self.backward
        if delay_ns is None:
            self.lost += 1
            return None
        return Due(arrived_ns + delay_ns, next(numbers), received.data, out)


def _socket() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.settimeout(0)
    enable_kernel_stamps(sock)
    return sock


class Loop:
    """All relays of a process."""

    def __init__(self, routes: list[Route]) -> None:
        began_ns = time.clock_gettime_ns(time.CLOCK_REALTIME)
        self.relays = [Relay(route, began_ns) for route in routes]
        self._selector = selectors.SelectSelector()  # epoll counts in milliseconds
        for relay in self.relays:
            for sock in (relay.outer, relay.inner):
                self._selector.register(sock, selectors.EVENT_READ, relay)
        self._numbers = itertools.count()
        self._under_way: list[Due] = []
        self.stopped = False

    def run(self) -> None:
        """Relay until `stopped`."""
        while not self.stopped:
            for key, _ in self._selector.select(self._pause_s()):
                packet = key.data.take(key.fileobj, self._numbers)
                if packet is not None:
                    heapq.heappush(self._under_way, packet)
            self._send_due()

    def _pause_s(self) -> float:
        if not self._under_way:
            return 0.5
        now_ns = time.clock_gettime_ns(time.CLOCK_REALTIME)
        return max(self._under_way[0].due_ns - SPIN_NS - now_ns, 0) / NS_PER_S

    def _send_due(self) -> None:
        while self._under_way:
            packet = self._under_way[0]
            if packet.due_ns - time.clock_gettime_ns(time.CLOCK_REALTIME) > SPIN_NS:
                return
            heapq.heappop(self._under_way).out.send(packet)

    def report(self) -> dict[str, Any]:
        """How late packets left each way, after all that was due."""
        forward = [late for relay in self.relays for late in relay.forward.late_ns]
        backward = [late for relay in self.relays for late in relay.backward.late_ns]
        return {
            "forward": lateness(forward),
            "backward": lateness(backward),
            "lost": sum(relay.lost for relay in self.relays),
        }


def lateness(late_ns: list[int]) -> dict[str, float]:
    if len(late_ns) < 2:
        return {"packets": len(late_ns)}
    ordered_us = sorted(late / 1e3 for late in late_ns)
    return {
        "packets": len(ordered_us),
        "median_us": statistics.median(ordered_us),
        "p95_us": ordered_us[int(0.95 * (len(ordered_us) - 1))],
        "max_us": ordered_us[-1],
    }


def main() -> None:
    loop = Loop(ROUTES.validate_json(Path(sys.argv[1]).read_text(encoding="utf-8")))

    def stop(*_: object) -> None:
        loop.stopped = True

    signal.signal(signal.SIGTERM, stop)
    print(READY, flush=True)
    loop.run()
    print(json.dumps(loop.report()), flush=True)


if __name__ == "__main__":
    main()
