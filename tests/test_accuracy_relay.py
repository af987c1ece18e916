"""The relay of the live accuracy benchmark does to packets what its path says, and nothing else."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chronotick.lab.network import Leg, Outage, PathModel
from chronotick.ntp import Endpoint, Query, run_exchange
from chronotick.ntp.testing import free_udp_port
from chronotick.ntp.timestamps import read_pair

RELAY = Path(__file__).parents[1] / "bench" / "accuracy" / "relay.py"
HOST = "127.0.3.1"
OUT_NS, BACK_NS = 30_000_000, 10_000_000
PATH = PathModel(forward=Leg(minimum_s=OUT_NS / 1e9), backward=Leg(minimum_s=BACK_NS / 1e9))
TRIES = 12
WAIT_S = 10.0

StartRelay = Callable[..., tuple[int, Callable[[], dict[str, Any]]]]


@pytest.fixture
def start_relay(tmp_path: Path) -> Iterator[StartRelay]:
    """Relay to a port over a path: the relay's port, and a function that ends it for its report."""
    with contextlib.ExitStack() as stack:

        def start(server_port: int, path: PathModel) -> tuple[int, Callable[[], dict[str, Any]]]:
            port, file = free_udp_port(), tmp_path / "routes.json"
            route = {"host": HOST, "port": port, "server_port": server_port, "seed": 1}
            file.write_text(json.dumps([route | {"path": path.model_dump(mode="json")}]))
            command = [sys.executable, str(RELAY), str(file)]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            stack.enter_context(process)
            stack.callback(process.kill)
            assert process.stdout.readline() == "ready\n"

            def stop() -> dict[str, Any]:
                process.terminate()
                return json.loads(process.communicate(timeout=WAIT_S)[0])

            return port, stop

        yield start


@pytest.fixture
def echo() -> Iterator[socket.socket]:
    """A server's socket on 127.0.0.1."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(WAIT_S)
        yield sock


@pytest.fixture
def client() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(WAIT_S)
        yield sock


def test_packets_arrive_unchanged_both_ways(start_relay, echo, client):
    port, stop = start_relay(echo.getsockname()[1], PathModel())
    for text in (b"one", b"", bytes(range(256)) * 4):
        client.sendto(text, (HOST, port))
        received, address = echo.recvfrom(4096)
        assert received == text
        echo.sendto(text[::-1], address)
        assert client.recv(4096) == text[::-1]
    report = stop()
    assert report["lost"] == 0
    assert report["forward"]["packets"] == report["backward"]["packets"] == 3


@pytest.mark.chronyd
async def test_delays_and_asymmetry_are_those_of_the_path(start_relay, chronyd_port: int):
    """Stalls only make delays longer, and an offset is wrong by at most half of what they add."""
    port, _ = start_relay(chronyd_port, PATH)
    query = Query(
        endpoint=Endpoint(socket.AF_INET, (HOST, port)),
        timeout_s=WAIT_S,
        max_delay_ns=2_000_000_000,
        kernel_stamps=True,
    )
    outcomes = [await run_exchange(query) for _ in range(TRIES)]
    found = [outcome.reply.measurement for outcome in outcomes if outcome.reply]
    assert len(found) == TRIES
    tightest = min(found, key=lambda each: each.delay_ns)
    excess_ns = tightest.delay_ns - OUT_NS - BACK_NS
    assert excess_ns > -100_000  # sent ahead by what sending takes
    clocks = read_pair()
    seen_ns = tightest.offset_ns - (clocks.realtime_ns - clocks.raw_ns)
    assert abs(seen_ns - (OUT_NS - BACK_NS) // 2) <= max(excess_ns, 0) / 2 + 500_000


def test_nothing_gets_through_an_outage(start_relay, echo, client):
    port, stop = start_relay(
        echo.getsockname()[1], PathModel(outages=(Outage(from_s=0.0, until_s=1e6),))
    )
    for _ in range(5):
        client.sendto(b"?", (HOST, port))
    echo.settimeout(0.2)
    with pytest.raises(TimeoutError):
        echo.recv(16)
    assert stop()["lost"] == 5


def test_a_server_that_is_not_there_does_not_end_the_relay(start_relay, echo, client):
    port, _ = start_relay(echo.getsockname()[1], PathModel())
    address = echo.getsockname()
    echo.close()
    client.sendto(b"to nobody", (HOST, port))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as back:
        back.bind(address)
        back.settimeout(WAIT_S)
        for _ in range(TRIES):  # the first may meet the error that ICMP reported
            client.sendto(b"again", (HOST, port))
            back.settimeout(1.0)
            with contextlib.suppress(TimeoutError):
                assert back.recv(16) in {b"to nobody", b"again"}
                return
    pytest.fail("nothing came through once the server was there")
