"""A time server on loopback that answers whatever a test wants."""

from __future__ import annotations

import asyncio
import dataclasses
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import cast

import pytest

from chronotick.ntp.address import Endpoint
from chronotick.ntp.measurement import Measurement
from chronotick.ntp.packet import Packet, unix_ns_to_ntp

Answer = Callable[[Packet], Iterable[bytes]]


def honest_reply(request: Packet, *, error_ns: int = 0, **changes: int) -> Packet:
    """What a good stratum 1 server whose clock is wrong by `error_ns` answers."""
    now = unix_ns_to_ntp(time.time_ns() + error_ns)
    reply = Packet(
        mode=4,
        stratum=1,
        precision=-24,
        reference_id=int.from_bytes(b"GPS\0", "big"),
        reference_timestamp=now,
        origin_timestamp=request.transmit_timestamp,
        receive_timestamp=now,
        transmit_timestamp=now,
    )
    return dataclasses.replace(reply, **changes)


class TestServer(asyncio.DatagramProtocol):
    """Answers each request with the datagrams that `answer` returns; keeps the requests."""

    __test__ = False  # not a test class, whatever its name says

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.requests: list[bytes] = []
        self.clients: list[tuple[str, int]] = []
        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.requests.append(data)
        self.clients.append(addr)
        assert self.transport is not None
        for reply in self.answer(Packet.unpack(data)):
            self.transport.sendto(reply, addr)

    @property
    def endpoint(self) -> Endpoint:
        assert self.transport is not None
        return Endpoint(socket.AF_INET, self.transport.get_extra_info("sockname"))


StartServer = Callable[..., Awaitable[TestServer]]


@pytest.fixture
def honest() -> Callable[..., Packet]:
    return honest_reply


@pytest.fixture
async def start_server() -> AsyncIterator[StartServer]:
    """`await start_server(answer, host)`: by default an honest server on 127.0.0.1."""
    started: list[TestServer] = []

    async def start(
        answer: Answer = lambda request: [honest_reply(request).pack()], host: str = "127.0.0.1"
    ) -> TestServer:
        loop = asyncio.get_running_loop()
        _, server = await loop.create_datagram_endpoint(
            lambda: TestServer(answer), local_addr=(host, 0)
        )
        started.append(server)
        return server

    yield start
    for server in started:
        assert server.transport is not None
        server.transport.close()


@pytest.fixture
def closed_endpoint() -> Endpoint:
    """A UDP port of loopback where nobody listens."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return Endpoint(socket.AF_INET, sock.getsockname())


def make_sample(
    *,
    at_s: float = 0,
    offset_ns: int = 0,
    delay_ns: int = 200_000,
    precision_ns: int = 100,
    root_delay_ns: int = 0,
    root_dispersion_ns: int = 0,
) -> Measurement:
    return Measurement(
        source="192.0.2.1:123",
        raw_ns=round(at_s * 1e9),
        offset_ns=offset_ns,
        delay_ns=delay_ns,
        precision_ns=precision_ns,
        root_delay_ns=root_delay_ns,
        root_dispersion_ns=root_dispersion_ns,
        stratum=1,
    )


@pytest.fixture
def sample() -> Callable[..., Measurement]:
    """A measurement at `at_s` seconds on the RAW axis."""
    return make_sample


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], Awaitable[None]]:
    """`await until(condition)`; a condition that never comes ends with the test's timeout."""

    async def wait(condition: Callable[[], bool]) -> None:
        while not condition():  # noqa: ASYNC110  # what is watched has no event to wait for
            await asyncio.sleep(0.005)

    return wait
