"""The virtual host of scenarios: its clocks, its sockets, and that it leaves nothing behind."""

from __future__ import annotations

import socket
import time
from dataclasses import replace

import pytest

from chronotick.lab.scenarios import SCENARIOS, run
from chronotick.lab.scenarios.datagrams import VirtualSocket
from chronotick.lab.scenarios.events import (
    LeapSecond,
    Standstill,
    Suspend,
    SystemSlew,
    SystemStep,
)
from chronotick.lab.scenarios.host import Host, HostTime
from chronotick.lab.scenarios.inhabiting import inhabited
from chronotick.lab.scenarios.loop import HostLoop
from chronotick.lab.scenarios.network import Network
from chronotick.lab.world import DEFAULT_START_UTC_NS, World
from chronotick.ntp import exchange, poll, source, timestamps
from chronotick.ntp.nts import asker, key_exchange, tls
from chronotick.ntp.timestamps import receive, transmit_stamp
from chronotick.shm import clocks

SECOND = 1_000_000_000
WORLD = World.from_preset("dc-ideal")


def host(*events: object) -> Host:
    return Host(WORLD.live(), events)  # type: ignore[arg-type] # one of the events each


def gained(*events: object, until_s: float = 100.0) -> tuple[float, float, float]:
    """How much true time, system clock and sleep gain on the local clock in that time, in s."""
    seen, until_ns = host(*events), round(until_s * SECOND)
    return (
        (seen.truth(until_ns) - seen.truth(0) - until_ns) / SECOND,
        (seen.system(until_ns) - seen.system(0) - until_ns) / SECOND,
        seen.suspended_ns(until_ns) / SECOND,
    )


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (SystemStep(at_s=50.0, by_s=-3.0), (0.0, -3.0, 0.0)),
        (SystemSlew(at_s=50.0, until_s=70.0, rate=5e-4), (0.0, 0.01, 0.0)),
        (SystemSlew(at_s=50.0, until_s=200.0, rate=-5e-4), (0.0, -0.025, 0.0)),
        (Suspend(at_s=50.0, for_s=3600.0, misjudged_s=0.4), (3600.0, 3600.4, 3600.0)),
        (Standstill(at_s=50.0, for_s=30.0), (30.0, 0.0, 0.0)),
        (LeapSecond(at_utc_ns=DEFAULT_START_UTC_NS + 50 * SECOND, by_s=-1), (-1.0, 0.0, 0.0)),
    ],
)
def test_an_event_moves_the_clocks_it_should_and_no_other(event, expected):
    assert gained(event) == pytest.approx(expected, abs=1e-6)
    assert gained(event, until_s=49.9) == pytest.approx((0.0, 0.0, 0.0), abs=1e-6)


class Nowhere:
    """Takes datagrams and does nothing with them."""

    def carry(self, sock: VirtualSocket, data: bytes) -> None:
        """Do nothing."""


def test_the_daemons_code_reads_the_stamp_of_arrival_however_late_it_looks(request):
    """After SIGCONT, or a step of the clock: the kernel has stamped when the packet came."""
    stepped = host(SystemStep(at_s=8.0, by_s=100.0))
    loop = HostLoop(0)
    request.addfinalizer(loop.close)
    with inhabited(stepped, loop, Network(WORLD.live(), stepped)):
        sock = VirtualSocket(stepped, loop, Nowhere())
        sock.send(b"question")
        sock.arrive(5 * SECOND, b"answer")
        with pytest.raises(BlockingIOError):
            receive(sock)  # type: ignore[arg-type] # as much of a socket as is needed
        loop.stand_still_until(10.0)
        received = receive(sock)  # type: ignore[arg-type]
        sent_ns = transmit_stamp(sock)  # type: ignore[arg-type]
    assert (received.data, received.raw_ns) == (b"answer", 10 * SECOND)
    assert received.kernel_ns == stepped.system(5 * SECOND)
    assert sent_ns == stepped.system(0)


def test_whatever_happens_the_process_has_its_own_clocks_and_sockets_again(request):
    loop = HostLoop(0)
    request.addfinalizer(loop.close)
    network, jitter = Network(WORLD.live(), host()), vars(poll)["_random"]
    with inhabited(host(), loop, network):
        assert isinstance(vars(timestamps)["time"], HostTime)
        with pytest.raises(RuntimeError, match="runs in this process already"):
            inhabited(host(), loop, network).__enter__()
    with pytest.raises(KeyError), inhabited(host(), loop, network):
        raise KeyError
    assert all(vars(module)["time"] is time for module in (timestamps, source, clocks, asker))
    assert all(vars(module)["socket"] is socket for module in (timestamps, exchange, key_exchange))
    genuine = {name: vars(tls)[name] for name in ("TlsStream", "client_context")}
    assert genuine.items() <= vars(key_exchange).items()
    assert vars(poll)["_random"] is jitter


def test_the_same_seed_gives_the_same_outcome_and_another_one_another():
    short = replace(SCENARIOS["calm"], duration_s=30.0)
    first = run(short, seed=5)
    assert run(short, seed=5) == first
    assert run(short, seed=6).worst_error_s != first.worst_error_s
