"""A real socket, a real record: what clients and attackers get back."""

from __future__ import annotations

import asyncio
import logging
import random
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from chronotick.neighbours.ntp_server import NtpServer, bind
from chronotick.neighbours.problem import NeighbourError
from chronotick.neighbours.rate_limit import RateLimiter
from chronotick.neighbours.reference import Reference
from chronotick.neighbours.standing import Standing
from chronotick.ntp import Endpoint, Outcome, Query, run_exchange
from chronotick.ntp.packet import HEADER_BYTES, Packet
from chronotick.shm.clocks import raw_ns
from chronotick.shm.layout import Status
from chronotick.shm.record import time_at

SILENCE_S = 0.2
PLENTY_S = 10.0
REFERENCE = Reference(stratum=2, reference_id=0xC000_0201, delay_ns=100_000)


@asynccontextmanager
async def serving(
    standing: Callable[[], Standing], host: str = "127.0.0.1", rate: float = 10_000
) -> AsyncIterator[NtpServer]:
    server = NtpServer(bind(host, 0), standing, lambda: REFERENCE, RateLimiter(rate))
    server.start()
    try:
        yield server
    finally:
        server.stop()


async def answers(server: NtpServer, *questions: bytes, patience_s: float = PLENTY_S) -> list:
    """Send datagrams from one socket; give as many answers, or fewer after a silence."""
    loop, got = asyncio.get_running_loop(), []
    family = socket.AF_INET6 if ":" in server.address[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.settimeout(0)
        sock.connect(server.address)
        for question in questions:
            sock.send(question)
        try:
            while len(got) < len(questions):
                got.append(await asyncio.wait_for(loop.sock_recv(sock, 4096), patience_s))
        except asyncio.TimeoutError:
            pass
    return got


async def measured(server: NtpServer) -> Outcome:
    family = socket.AF_INET6 if ":" in server.address[0] else socket.AF_INET
    query = Query(endpoint=Endpoint(family, server.address), timeout_s=PLENTY_S, max_delay_ns=10**9)
    return await run_exchange(query)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_a_client_gets_served_time_within_its_root_distance(publish, standing, host):
    """Not system time: the record is 1.5 s ahead of it."""
    record = publish()
    async with serving(standing, host) as server:
        outcome = await measured(server)
        assert server.counters.user_stamped == 0
    assert outcome.reply is not None, outcome.error
    taken = outcome.reply.measurement
    error_ns = taken.offset_ns + taken.raw_ns - time_at(record, taken.raw_ns)
    assert abs(error_ns) <= taken.delay_ns // 2 + 20_000
    assert taken.stratum == 2
    assert taken.root_distance_ns >= record.bound_ns


@pytest.mark.parametrize("status", [Status.WARMING_UP, Status.DISRUPTED, Status.UNKNOWN])
async def test_without_a_time_it_says_that_its_clock_is_not_synchronised(publish, standing, status):
    publish(status=status)
    async with serving(standing) as server:
        (data,) = await answers(server, Packet(transmit_timestamp=5).pack())
        counted = server.counters
    packet = Packet.unpack(data)
    assert (packet.leap, packet.stratum, packet.origin_timestamp) == (3, 16, 5)
    assert (counted.answered, counted.unsynchronised) == (0, 1)


async def test_a_daemon_may_end_and_another_begin(publish, standing):
    publish()
    async with serving(standing) as server:
        leaps = []
        for status in (Status.SYNCHRONISED, Status.UNKNOWN, Status.HOLDOVER):
            publish(status=status)
            (data,) = await answers(server, request())
            leaps.append(Packet.unpack(data).leap)
    assert leaps == [0, 3, 0]


def request(version: int = 4, mode: int = 3, length: int = HEADER_BYTES) -> bytes:
    head = Packet(version=version, mode=mode, transmit_timestamp=7).pack()
    return (head + bytes(length))[:length]


HOSTILE = {
    "empty": b"",
    "one byte": b"\x23",
    "just too short": request()[:-1],
    "no whole words": request(length=50),
    "garbage": random.Random(1).randbytes(48).replace(b"\x23", b"\x00", 1),
    **{f"version {v}": request(version=v) for v in (0, 1, 2, 5, 6, 7)},
    **{f"mode {m}": request(mode=m) for m in (0, 1, 2, 4, 5, 6, 7)},
}


async def test_what_is_no_clients_request_gets_no_answer(publish, standing, caplog):
    publish()
    caplog.set_level(logging.WARNING)
    async with serving(standing) as server:
        assert await answers(server, *HOSTILE.values(), patience_s=SILENCE_S) == []
        (after,) = await answers(server, request())
        counted = server.counters
    assert Packet.unpack(after).mode == 4
    assert counted.malformed == len(HOSTILE)
    assert counted.answered == 1
    assert not caplog.records


async def test_random_datagrams_of_any_length_do_no_harm(publish, standing, caplog):
    publish()
    draw = random.Random(2)
    async with serving(standing) as server:
        noise = [draw.randbytes(draw.randrange(0, 1500)) for _ in range(100)]
        for data in await answers(server, *noise, patience_s=SILENCE_S):
            assert len(data) == HEADER_BYTES
        assert len(await answers(server, request())) == 1
    assert not caplog.records


@pytest.mark.parametrize("length", [48, 52, 68, 72, 1024, 2048, 9000])
async def test_an_answer_is_never_longer_than_the_question(publish, standing, length):
    """Extension fields and authentication codes are left unread."""
    publish()
    async with serving(standing) as server:
        (data,) = await answers(server, request(length=length))
    assert len(data) == HEADER_BYTES
    assert Packet.unpack(data).origin_timestamp == 7


@pytest.mark.parametrize("version", [3, 4])
async def test_version_and_poll_are_echoed(publish, standing, version):
    publish()
    question = Packet(version=version, poll=-3, transmit_timestamp=1).pack()
    async with serving(standing) as server:
        (data,) = await answers(server, question)
    packet = Packet.unpack(data)
    assert (packet.version, packet.poll) == (version, -3)


async def test_a_flood_is_answered_up_to_its_rate_and_kissed_once(publish, standing):
    publish()
    async with serving(standing, rate=1) as server:
        got = await answers(server, *[request()] * 100, patience_s=SILENCE_S)
        counted = server.counters
    codes = [Packet.unpack(data).kiss_code for data in got]
    assert codes.count("RATE") == counted.kissed == 1
    assert codes.count(None) == counted.answered <= 10
    assert counted.limited == 100 - len(got)


async def test_a_kiss_tells_no_time_to_follow(publish, standing):
    publish()
    async with serving(standing, rate=1) as server:
        got = await answers(server, *[request()] * 20, patience_s=SILENCE_S)
    (kissed,) = [p for p in map(Packet.unpack, got) if p.kiss_code]
    assert (kissed.leap, kissed.stratum, kissed.origin_timestamp) == (3, 0, 7)


async def test_a_flood_does_not_keep_the_event_loop(publish, standing):
    publish()
    async with serving(standing) as server:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for _ in range(150):
                sock.sendto(b"", server.address)
            while not server.counters.requests:  # noqa: ASYNC110 - one turn of the loop at a time
                await asyncio.sleep(0)
            assert server.counters.requests < 150


async def test_a_reply_to_nobody_is_counted_and_nothing_else(publish, standing):
    """A forged source address with port 0 cannot be sent to."""
    publish()
    async with serving(standing) as server:
        server._answer(Packet(), ("127.0.0.1", 0), raw_ns(), slow_down=False)
        assert server.counters.unsent == 1


def test_a_taken_port_is_refused_in_one_sentence():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        with pytest.raises(NeighbourError, match=r"port \d+: Address already in use.*--ntp"):
            bind("127.0.0.1", other.getsockname()[1])


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1"])
def test_an_address_of_another_machine_is_refused(host):
    with pytest.raises(NeighbourError, match="cannot answer on"):
        bind(host, 0)
