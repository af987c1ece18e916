"""The pool is gathered slowly and asked politely; what is found is told. Real datagrams."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from chronotick.config.servers import ServerName, parse_server
from chronotick.ntp import pool_watch
from chronotick.ntp.address import Endpoint, ResolveError
from chronotick.ntp.asking import Answer, Terms
from chronotick.ntp.pool_watch import PoolWatch, WatchSettings
from chronotick.ntp.server_pool import GIVEN_UP_AFTER, TAKEN_AT_ONCE, ServerPool
from chronotick.ntp.timestamps import read_pair

POOL = ServerName("pool.example.org")
MS = 1_000_000
SETTINGS = WatchSettings(
    sample_size=3,
    interval_s=0.02,
    w_ns=25 * MS,
    panic_trigger=2,
    terms=Terms(timeout_s=0.2, max_delay_ns=1000 * MS),
)


def endpoints(count: int, first: int = 1) -> list[Endpoint]:
    return [Endpoint(2, (f"192.0.2.{n}", 123)) for n in range(first, first + count)]


class Names:
    """Answers with what the test has put there."""

    def __init__(self, found: list[Endpoint]) -> None:
        self.found = found
        self.error = ""
        self.asked = 0

    async def look_up(self, name: ServerName) -> list[Endpoint]:
        self.asked += 1
        if self.error:
            raise ResolveError(name.host, self.error)
        return list(self.found)


@pytest.fixture
def at_any_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every look-up is a round of its own."""
    monkeypatch.setattr("chronotick.ntp.server_pool.ROUND_S", 0.0)


def pool_of(names: Names, size: int = 100, taken: frozenset[str] = frozenset()) -> ServerPool:
    return ServerPool([POOL], size, taken=lambda: taken, lookup=names.look_up)


async def test_one_answer_of_many_addresses_gives_a_few_servers_only(at_any_time):
    names = Names(endpoints(89))
    pool = pool_of(names)
    await pool.gather(15)
    assert len(pool) == TAKEN_AT_ONCE
    await pool.gather(15)
    assert len(pool) == 2 * TAKEN_AT_ONCE


async def test_a_full_pool_is_not_looked_up_for(at_any_time):
    names = Names(endpoints(6))
    pool = pool_of(names, size=2)
    for _ in range(4):
        await pool.gather(3)
    assert (len(pool), names.asked) == (2, 2)


def four_names(names: Names, size: int = 500) -> ServerPool:
    """As many as there are by default, all answered by the same hand."""
    four = [ServerName(f"{n}.pool.example.org") for n in range(4)]
    return ServerPool(four, size, lookup=names.look_up)


async def test_who_answers_for_all_names_at_the_start_has_a_third_of_a_sample_at_most():
    names = Names(endpoints(89))
    pool = four_names(names)
    for _ in range(20):  # all within ten minutes
        await pool.gather(15)
    assert (len(pool), pool.usable(15)) == (5, 5)
    assert pool.whole() == []


@pytest.mark.parametrize(("size", "sample_size"), [(500, 15), (24, 22), (15, 15), (3, 3), (5, 4)])
async def test_a_forged_round_has_a_third_of_every_sample_and_of_the_whole_pool(
    monkeypatch: pytest.MonkeyPatch, size: int, sample_size: int
):
    monkeypatch.setattr("chronotick.ntp.server_pool.ROUND_S", 0.0)
    names = Names(endpoints(200))
    pool = four_names(names, size)
    await pool.gather(sample_size)
    forged = {member.id for member in pool.members}
    names.found = endpoints(200, first=201)
    rounds = 1
    while pool.usable(sample_size) < sample_size:
        await pool.gather(sample_size)
        rounds += 1
    assert 3 <= rounds <= 5
    for members in (*(pool.sample(sample_size) for _ in range(50)), pool.whole()):
        assert len(members) >= sample_size
        assert len({member.id for member in members}) == len(members)
        assert sum(member.id in forged for member in members) <= len(members) // 3


async def test_a_large_round_is_not_asked_whole_beside_small_ones(at_any_time):
    names = Names(endpoints(15))
    pool = four_names(names)
    for _ in range(3):
        await pool.gather(15)
    names.found = endpoints(89, first=100)
    await pool.gather(15)
    assert len(pool) == 15 + 4 * TAKEN_AT_ONCE
    whole = pool.whole()
    assert len(whole) == 15 + 7
    assert max(Counter(member.round for member in whole).values()) == 7


async def test_servers_that_the_clock_is_measured_by_are_not_in_the_pool():
    pool = pool_of(Names(endpoints(3)), taken=frozenset({"192.0.2.2:123"}))
    await pool.gather(15)
    assert [member.id for member in pool.members] == ["192.0.2.1:123", "192.0.2.3:123"]


async def test_who_becomes_a_server_of_the_clock_is_no_longer_asked(at_any_time):
    taken: set[str] = set()
    names = Names(endpoints(9))
    pool = ServerPool([POOL], 100, taken=lambda: taken, lookup=names.look_up)
    for _ in range(3):
        await pool.gather(9)
    taken.add("192.0.2.2:123")
    drawn = {member.id for member in (*pool.sample(9), *pool.whole())}
    assert (len(pool), "192.0.2.2:123" in drawn) == (8, False)


async def test_whom_the_clock_takes_away_is_replaced(at_any_time):
    taken: set[str] = set()
    pool = ServerPool([POOL], 3, taken=lambda: taken, lookup=Names(endpoints(9)).look_up)
    for _ in range(3):
        await pool.gather(3)
    taken.add("192.0.2.2:123")
    assert pool.usable(3) == 2
    await pool.gather(3)
    assert pool.usable(3) == 3


async def test_a_name_that_is_no_pool_gives_one_server(at_any_time):
    names = Names(endpoints(3))
    pool = ServerPool([parse_server("time.example.org")], 10, lookup=names.look_up)
    for _ in range(3):
        await pool.gather(3)
    assert (len(pool), names.asked) == (1, 1)


async def test_single_servers_are_all_asked_though_they_were_found_at_once():
    """A private network's: whoever named them has chosen to trust them."""
    names = [parse_server(f"ntp{n}.example.org") for n in range(5)]
    found = dict(zip(names, endpoints(5), strict=True))

    async def look_up(name: ServerName) -> list[Endpoint]:
        return [found[name]]

    pool = ServerPool(names, 5, lookup=look_up)
    await pool.gather(5)
    assert len(pool.sample(5)) == len(pool.whole()) == 5


@dataclasses.dataclass
class Mute:
    """Whoever is asked says nothing."""

    endpoint: Endpoint

    async def ask(self, _terms: Terms) -> Answer:
        return Answer(error="no reply in time")


@pytest.mark.parametrize(("host", "rest"), [("192.0.2.1", 0), ("127.0.0.1", 1), ("::1", 1)])
async def test_a_server_rests_for_a_minute_after_a_question_unless_it_is_our_own(
    monkeypatch: pytest.MonkeyPatch, host: str, rest: int
):
    pool = ServerPool([parse_server(host)], 1, asker=Mute)
    await pool.gather(3)
    await pool.ask(pool.members[0], SETTINGS.terms)
    assert (len(pool), len(pool.sample(3)), len(pool.whole())) == (1, rest, rest)
    monkeypatch.setattr("chronotick.ntp.server_pool.REST_S", 0.0)
    assert len(pool.sample(3)) == len(pool.whole()) == 1


async def test_who_stays_silent_leaves_and_may_come_back():
    names = Names(endpoints(1))
    pool = pool_of(names)
    await pool.gather(15)
    (member,) = pool.members
    for _ in range(GIVEN_UP_AFTER - 1):
        pool.missed(member, None)
    pool.answered(member)
    for _ in range(GIVEN_UP_AFTER - 1):
        pool.missed(member, None)
    assert len(pool) == 1
    pool.missed(member, None)
    assert len(pool) == 0
    await pool.gather(15)
    assert len(pool) == 1


async def test_who_refuses_leaves_at_once_and_is_left_alone_for_a_day(
    monkeypatch: pytest.MonkeyPatch,
):
    pool = pool_of(Names(endpoints(1)))
    await pool.gather(15)
    pool.missed(pool.members[0], "RATE")
    await pool.gather(15)
    assert len(pool) == 0
    monkeypatch.setattr("chronotick.ntp.server_pool.REFUSED_S", 0.0)
    await pool.gather(15)
    assert len(pool) == 1


async def test_a_name_without_address_is_told_once_with_its_key(
    caplog: pytest.LogCaptureFixture,
):
    names = Names(endpoints(1))
    names.error = "no such host"
    pool = pool_of(names)
    await pool.gather(15)
    await pool.gather(15)
    assert [record.getMessage() for record in caplog.records] == [pool.error]
    assert "pool.example.org" in pool.error
    assert "clock_measurement.watchdog.servers" in pool.error
    names.error = ""
    await pool.gather(15)
    assert pool.error == ""


class Clock:
    """Served time: the system clock, wrong by as much as the test wants."""

    def __init__(self) -> None:
        self.error_ns = 0
        self.there = True
        self.changes = 0

    def served(self, raw_ns: int) -> tuple[int, int] | None:
        pair = read_pair()
        utc_ns = raw_ns + pair.realtime_ns - pair.raw_ns + self.error_ns
        return (utc_ns, MS) if self.there else None

    def changed(self) -> None:
        self.changes += 1


@contextlib.asynccontextmanager
async def watching(
    clock: Clock, found: list[Endpoint], settings: WatchSettings = SETTINGS
) -> AsyncIterator[PoolWatch]:
    names = [parse_server(str(each)) for each in found]
    watch = PoolWatch(ServerPool(names, 100), settings, clock.served, clock.changed)
    task = asyncio.create_task(watch.run())
    try:
        yield watch
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def honest_ones(start_server) -> list[Endpoint]:
    return [(await start_server()).endpoint for _ in range(7)]


async def test_wrong_time_gives_an_alarm_and_right_time_ends_it(
    honest_ones, until, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO, "chronotick.ntp.watchdog")
    clock = Clock()
    clock.error_ns = 200 * MS
    async with watching(clock, honest_ones) as watch:
        await until(lambda: watch.alarm is not None)
        report = watch.report()
        assert report["alarm"]
        assert report["offset_s"] == pytest.approx(-0.2, abs=0.05)
        assert report["allowed_s"] == pytest.approx(0.051)
        assert report["samples"]["contradicts"] >= SETTINGS.panic_trigger
        assert "-200." in report["problem"] or "-199." in report["problem"]
        clock.error_ns = 0
        await until(lambda: watch.alarm is None)
        assert watch.report()["problem"] == ""
    assert clock.changes == 2
    warning, info = (record for record in caplog.records if record.levelno >= logging.INFO)
    assert (warning.levelno, warning.event) == (logging.WARNING, "watchdog_alarm")
    assert warning.fields["answered"] == 7
    assert "agrees with served time again" in info.getMessage()


async def test_right_time_stays_without_alarm_though_two_of_seven_lie(
    honest_ones, start_server, honest, until
):
    liars = [
        (await start_server(lambda request: [honest(request, error_ns=10**9).pack()])).endpoint
        for _ in range(2)
    ]
    clock = Clock()
    settings = dataclasses.replace(SETTINGS, sample_size=7, panic_trigger=1)
    async with watching(clock, honest_ones[:5] + liars, settings) as watch:
        await until(lambda: watch.report()["samples"]["agrees"] >= 5)
        assert (watch.report()["panics"], clock.changes) == (0, 0)


async def test_while_no_time_is_served_nobody_is_asked(start_server, until):
    servers = [await start_server() for _ in range(3)]
    clock = Clock()
    clock.there = False
    async with watching(clock, [server.endpoint for server in servers]) as watch:
        await until(lambda: watch.report()["pool"] == 3)
        await asyncio.sleep(5 * SETTINGS.interval_s)
        assert [server.requests for server in servers] == [[]] * 3
        clock.there = True
        await until(lambda: watch.report()["verdict"] == "agrees")


async def test_a_pool_smaller_than_a_sample_is_not_asked(start_server, until):
    server = await start_server()
    async with watching(Clock(), [server.endpoint]) as watch:
        await until(lambda: watch.report()["pool"] == 1)
        await asyncio.sleep(5 * SETTINGS.interval_s)
        assert server.requests == []
        assert "has 1 of 3 servers for a sample" in watch.report()["problem"]


async def test_a_kiss_code_is_obeyed(honest_ones, start_server, honest, until):
    kissing = await start_server(
        lambda request: [honest(request, stratum=0, reference_id=0x44454E59).pack()]
    )
    settings = dataclasses.replace(SETTINGS, sample_size=4)
    async with watching(Clock(), [*honest_ones[:4], kissing.endpoint], settings) as watch:
        await until(lambda: watch.report()["pool"] == 4)
        asked = len(kissing.requests)
        await until(lambda: watch.report()["samples"]["agrees"] >= 5)
        assert asked == len(kissing.requests) <= 1


async def test_a_divided_pool_says_so_and_raises_no_alarm(
    honest_ones, start_server, honest, until, caplog: pytest.LogCaptureFixture
):
    liars = [
        (await start_server(lambda request: [honest(request, error_ns=10**9).pack()])).endpoint
        for _ in range(4)
    ]
    settings = dataclasses.replace(SETTINGS, sample_size=8, panic_trigger=1)
    async with watching(Clock(), honest_ones[:4] + liars, settings) as watch:
        await until(lambda: watch.report()["panics"] == 1)
        assert watch.report()["verdict"] == "divided"
        assert "is blind: those it asked contradict each other by 1000" in watch.report()["problem"]
        assert watch.alarm is None
    assert any("contradicts itself by 1000" in record.getMessage() for record in caplog.records)


async def test_a_pool_that_falls_silent_is_a_problem(start_server, until):
    mute = [(await start_server(lambda _: [])).endpoint for _ in range(3)]
    terms = dataclasses.replace(SETTINGS.terms, timeout_s=0.02)
    settings = dataclasses.replace(SETTINGS, sample_size=3, terms=terms)
    async with watching(Clock(), mute, settings) as watch:
        await until(lambda: watch.report()["verdict"] == "silent")
        assert "is blind: 0 of 3 that it asked have answered" in watch.report()["problem"]


async def test_a_mistake_is_a_problem_until_the_next_finding(honest_ones, until, monkeypatch):
    monkeypatch.setattr("chronotick.ntp.tasks._FIRST_RESTART_S", 0.05)
    clock = Clock()
    served, mistakes = clock.served, iter([ZeroDivisionError("a mistake")])

    def mistaken(raw_ns: int) -> tuple[int, int] | None:
        for mistake in mistakes:
            raise mistake
        return served(raw_ns)

    monkeypatch.setattr(clock, "served", mistaken)
    async with watching(clock, honest_ones) as watch:
        await until(lambda: "ZeroDivisionError: a mistake" in watch.report()["problem"])
        await until(lambda: watch.report()["verdict"] == "agrees")
        assert watch.report()["problem"] == ""


async def test_the_whole_pool_is_asked_once_an_hour_at_most(honest_ones, until):
    clock = Clock()
    clock.error_ns = 200 * MS
    async with watching(clock, honest_ones) as watch:
        await until(lambda: watch.report()["samples"]["contradicts"] >= 10)
        assert watch.report()["panics"] == 1


async def test_a_second_panic_comes_after_the_hour(
    honest_ones, until, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(pool_watch, "PANIC_PERIOD_S", 0.05)
    clock = Clock()
    clock.error_ns = 200 * MS
    async with watching(clock, honest_ones) as watch:
        await until(lambda: watch.report()["panics"] == 2)
        assert watch.report()["alarms"] == 1
