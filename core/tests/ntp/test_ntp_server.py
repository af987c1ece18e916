from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Protocol

import pytest

from chronotick.config.servers import ServerName
from chronotick.ntp.address import Endpoint, ResolveError
from chronotick.ntp.measurement import Measurement
from chronotick.ntp.packet import Packet
from chronotick.ntp.poll import PollLimits
from chronotick.ntp.selection import Reason
from chronotick.ntp.server import Server
from chronotick.ntp.source import Source, SourceSettings

SETTINGS = SourceSettings(
    timeout_s=0.02,
    max_delay_ns=1_000_000_000,
    poll=PollLimits(minimum_s=0.01, maximum_s=64, burst_s=0.01, burst_replies=3),
)
POOL = ServerName("pool.example.org")


class TimeServer(Protocol):
    endpoint: Endpoint
    answer: Callable[[Packet], Iterable[bytes]]
    requests: list[bytes]


Until = Callable[[Callable[[], bool]], Awaitable[None]]
StartServer = Callable[..., Awaitable[TimeServer]]


class Names:
    """A name service with one name, whose addresses the test changes."""

    def __init__(self, *servers: TimeServer) -> None:
        self.endpoints = [server.endpoint for server in servers]
        self.asked = 0
        self.broken = False

    async def lookup(self, _: ServerName) -> list[Endpoint]:
        self.asked += 1
        if self.broken:
            raise ResolveError("pool.example.org", "the resolver is away")
        return list(self.endpoints)


@contextlib.asynccontextmanager
async def running(
    names: Names, wanted: int, taken: Callable[[], list[str]] | None = None
) -> AsyncIterator[Server]:
    def ignore(source: Source, measurement: Measurement | None) -> None:
        pass

    server = Server(
        POOL,
        SETTINGS,
        wanted=wanted,
        burst=True,
        taken=taken or (lambda: list(server.sources)),
        finished=ignore,
        lookup=names.lookup,
    )
    task = asyncio.create_task(server.run())
    yield server
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def ids(*servers: TimeServer) -> set[str]:
    return {str(server.endpoint) for server in servers}


@pytest.fixture
async def four(start_server: StartServer) -> list[TimeServer]:
    return [await start_server() for _ in range(4)]


async def test_a_pool_gives_as_many_sources_as_are_wanted(
    four: list[TimeServer], until: Until
) -> None:
    async with running(Names(*four), wanted=3) as server:
        await until(
            lambda: sum(source.answers.reach > 0 for source in server.sources.values()) == 3
        )
        assert set(server.sources) == ids(*four[:3])


async def test_a_silent_member_is_replaced(
    four: list[TimeServer], caplog: pytest.LogCaptureFixture, until: Until
) -> None:
    four[1].answer = lambda _: []
    async with running(Names(*four), wanted=3) as server:
        await until(lambda: set(server.sources) == ids(four[0], four[2], four[3]))
    (line,) = (record for record in caplog.records if "replaced" in record.message)
    assert str(four[1].endpoint) in line.message


async def test_a_silent_server_without_an_alternative_goes_on_being_asked(
    four: list[TimeServer], until: Until
) -> None:
    honest_answer, four[0].answer = four[0].answer, lambda _: []
    names = Names(four[0])
    async with running(names, wanted=1) as server:
        await until(lambda: names.asked >= 3)
        four[0].answer = honest_answer
        await until(lambda: server.sources[str(four[0].endpoint)].answers.reach > 0)


async def test_a_server_that_moved_is_found_again(four: list[TimeServer], until: Until) -> None:
    names = Names(four[0])
    async with running(names, wanted=1) as server:
        await until(lambda: str(four[0].endpoint) in server.sources)
        names.endpoints = [four[1].endpoint]
        four[0].answer = lambda _: []
        await until(lambda: set(server.sources) == ids(four[1]))


async def test_an_unresolved_name_is_tried_again_and_complained_about_once(
    four: list[TimeServer],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    until: Until,
) -> None:
    monkeypatch.setattr("chronotick.ntp.server._FIRST_RETRY_S", 0.01)
    names = Names(four[0])
    names.broken = True
    async with running(names, wanted=1) as server:
        await until(lambda: names.asked >= 3)
        report = server.report_unresolved()
        assert (report.id, report.reason) == ("pool.example.org", Reason.UNREACHABLE)
        assert "has no address" in report.last_error
        names.broken = False
        await until(lambda: len(server.sources) == 1)
    assert sum("has no address" in record.message for record in caplog.records) == 1


async def test_an_address_known_under_another_name_is_no_second_source(
    four: list[TimeServer], until: Until
) -> None:
    elsewhere = str(four[0].endpoint)
    names = Names(four[0])
    async with running(names, wanted=1, taken=lambda: [elsewhere]) as server:
        await until(lambda: bool(server.report_unresolved().last_error))
        assert not server.sources
        assert "sources already" in server.report_unresolved().last_error


async def test_fewer_or_more_wanted_members_take_effect_at_once(
    four: list[TimeServer], until: Until
) -> None:
    async with running(Names(*four), wanted=2) as server:
        await until(lambda: len(server.sources) == 2)
        kept = server.sources[str(four[0].endpoint)]
        server.configure(SETTINGS, wanted=4)
        await until(lambda: len(server.sources) == 4)
        server.configure(SETTINGS, wanted=1)
        await until(lambda: len(server.sources) == 1)
        assert server.sources[str(four[0].endpoint)] is kept


async def test_an_address_that_refused_service_is_left_alone(
    four: list[TimeServer], honest: Callable[..., Packet], until: Until
) -> None:
    deny = int.from_bytes(b"DENY", "big")
    four[0].answer = lambda request: [honest(request, stratum=0, reference_id=deny).pack()]
    names = Names(four[0])
    async with running(names, wanted=1) as server:
        await until(lambda: any(source.demobilised for source in server.sources.values()))
        names.endpoints = [four[0].endpoint, four[1].endpoint]
        server.configure(SETTINGS, wanted=1)
        await until(lambda: set(server.sources) == ids(four[1]))
        server.configure(SETTINGS, wanted=2)
        asked = names.asked
        await until(lambda: names.asked > asked)
        assert set(server.sources) == ids(four[1])
    assert len(four[0].requests) == 8


async def test_nothing_is_awaited_of_a_source_that_is_asked_no_more(
    four: list[TimeServer], honest: Callable[..., Packet], until: Until
) -> None:
    deny = int.from_bytes(b"DENY", "big")
    four[0].answer = lambda request: [honest(request, stratum=0, reference_id=deny).pack()]
    async with running(Names(four[0]), wanted=1) as server:
        assert server.awaited is True
        await until(lambda: any(source.demobilised for source in server.sources.values()))
        for source in server.sources.values():
            source.answers.forget()
        assert not server.awaited


async def test_an_address_that_refused_service_long_ago_is_asked_again(
    four: list[TimeServer],
    honest: Callable[..., Packet],
    until: Until,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Anybody on the way may forge a refusal, and withhold a few replies after it."""
    deny = int.from_bytes(b"DENY", "big")
    serves, four[0].answer = (
        four[0].answer,
        lambda request: [honest(request, stratum=0, reference_id=deny).pack()],
    )
    async with running(Names(four[0]), wanted=1) as server:
        await until(lambda: any(source.demobilised for source in server.sources.values()))
        four[0].answer = serves
        server.configure(SETTINGS, wanted=1)
        await asyncio.sleep(0.05)
        assert len(four[0].requests) == 8
        monkeypatch.setattr("chronotick.ntp.server._REFUSED_S", 0.0)
        server.configure(SETTINGS, wanted=1)
        await until(lambda: server.answered)


async def test_every_family_is_asked(start_server: StartServer, until: Until) -> None:
    if not socket.has_ipv6:
        pytest.skip("this Python has no IPv6")
    server6 = await start_server(host="::1")
    host, port = server6.endpoint.sockaddr[:2]
    names = Names()
    names.endpoints = [Endpoint(socket.AF_INET6, (host, port, 0, 0))]
    async with running(names, wanted=1) as server:
        await until(
            lambda: server.sources[f"[::1]:{port}"].answers.reach > 0 if server.sources else False
        )
