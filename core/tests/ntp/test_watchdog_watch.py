"""The pool is asked whether time is right, and what is found is told. Real datagrams."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
from collections.abc import AsyncIterator, Callable

import pytest

from chronotick.config.servers import parse_server
from chronotick.ntp.address import Endpoint
from chronotick.ntp.asking import Terms
from chronotick.ntp.timestamps import read_pair
from chronotick.ntp.watchdog import watch as watch_module
from chronotick.ntp.watchdog.pool import LISTED_S, Pool
from chronotick.ntp.watchdog.saved import SavedPool, SavedServer, SavedWatch
from chronotick.ntp.watchdog.verdict import Finding, Verdict
from chronotick.ntp.watchdog.watch import Watch, WatchSettings

MS = 1_000_000
SETTINGS = WatchSettings(
    sample_size=3,
    interval_s=0.02,
    w_ns=25 * MS,
    panic_trigger=2,
    terms=Terms(timeout_s=0.2, max_delay_ns=1000 * MS),
)


class Clock:
    """Served time: the system clock, wrong by as much as the test wants."""

    def __init__(self) -> None:
        self.error_ns = 0
        self.there = True
        self.changes = 0
        self.saves = 0
        self.on_save: Callable[[], object] = lambda: None

    def served(self, raw_ns: int) -> tuple[int, int] | None:
        pair = read_pair()
        utc_ns = raw_ns + pair.realtime_ns - pair.raw_ns + self.error_ns
        return (utc_ns, MS) if self.there else None

    def changed(self) -> None:
        self.changes += 1

    def save(self) -> None:
        self.saves += 1
        self.on_save()


@contextlib.asynccontextmanager
async def watching(
    clock: Clock,
    found: list[Endpoint],
    settings: WatchSettings = SETTINGS,
    saved: SavedWatch | None = None,
) -> AsyncIterator[Watch]:
    names = [parse_server(str(each)) for each in found]
    watch = Watch(Pool(names, 100), settings, clock.served, clock.changed, save=clock.save)
    watch.restore(saved or SavedWatch(), elapsed_s=0.0)
    task = asyncio.create_task(watch.run())
    try:
        yield watch
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def honest_ones(start_server) -> list[Endpoint]:
    return [(await start_server()).endpoint for _ in range(7)]


@pytest.fixture
async def divided(honest_ones, start_server, honest) -> list[Endpoint]:
    """Four that are right, and four that are wrong by a second."""
    liars = [
        (await start_server(lambda request: [honest(request, error_ns=10**9).pack()])).endpoint
        for _ in range(4)
    ]
    return honest_ones[:4] + liars


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
    doubt, warning, info = (r for r in caplog.records if r.levelno >= logging.INFO)
    assert "3 servers of the watchdog's pool put true time -" in doubt.getMessage()
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
    divided, until, caplog: pytest.LogCaptureFixture
):
    settings = dataclasses.replace(SETTINGS, sample_size=8, panic_trigger=1)
    async with watching(Clock(), divided, settings) as watch:
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


async def test_silence_is_logged_once_and_so_is_its_end(
    start_server, honest, until, caplog: pytest.LogCaptureFixture
):
    """First nobody answers who is asked; then, when all have left, there is nobody to ask."""
    caplog.set_level(logging.INFO, "chronotick.ntp.watchdog")
    deaf = True
    found = [
        (await start_server(lambda request: [] if deaf else [honest(request).pack()])).endpoint
        for _ in range(3)
    ]
    terms = dataclasses.replace(SETTINGS.terms, timeout_s=0.02)
    async with watching(Clock(), found, dataclasses.replace(SETTINGS, terms=terms)) as watch:
        await until(lambda: "3 named servers" in watch.report()["problem"])
        assert watch.report()["problem"] == (
            "the watchdog asks nobody: it has 0 of 3 servers for a sample. 3 named servers have "
            "not answered and left the pool until the next look-up, within an hour"
        )
        deaf = False
        await watch._pool.gather(SETTINGS.sample_size)
        await until(lambda: watch.report()["verdict"] == "agrees")
        assert watch.report()["problem"] == ""
    blind, sees = caplog.records
    assert (blind.levelno, blind.event) == (logging.WARNING, "watchdog_blind")
    assert blind.fields == {"reason": "silent"}
    assert "is blind: 0 of 3 that it asked have answered" in blind.getMessage()
    assert (sees.levelno, sees.event) == (logging.INFO, "watchdog_sees")


async def test_a_pool_that_becomes_too_small_is_logged_and_one_that_was_never_large_is_not(
    start_server, honest, until, caplog: pytest.LogCaptureFixture
):
    deaf = False
    found = [(await start_server()).endpoint for _ in range(3)]
    last = await start_server(lambda request: [] if deaf else [honest(request).pack()])
    terms = dataclasses.replace(SETTINGS.terms, timeout_s=0.02)
    settings = dataclasses.replace(SETTINGS, sample_size=4, terms=terms)
    async with watching(Clock(), found, settings) as watch:
        await until(lambda: watch.report()["pool"] == 3)
        await asyncio.sleep(5 * SETTINGS.interval_s)
    assert caplog.records == []
    async with watching(Clock(), [*found, last.endpoint], settings) as watch:
        await until(lambda: watch.report()["verdict"] == "agrees")
        deaf = True
        await until(lambda: caplog.records)
    (blind,) = caplog.records
    assert (blind.event, blind.fields) == ("watchdog_blind", {"reason": "few"})
    assert "it has 3 of 4 servers for a sample. 1 named server has not" in blind.getMessage()


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
    monkeypatch.setattr(watch_module, "PANIC_PERIOD_S", 0.05)
    clock = Clock()
    clock.error_ns = 200 * MS
    async with watching(clock, honest_ones) as watch:
        await until(lambda: watch.report()["panics"] == 2)
        assert watch.report()["alarms"] == 1


ALARM = Finding(
    verdict=Verdict.CONTRADICTS,
    asked=90,
    answered=88,
    mean_ns=-200 * MS,
    spread_ns=MS,
    allowed_ns=51 * MS,
)


def of_doubt(records: list[logging.LogRecord]) -> list[str]:
    told = [record.getMessage() for record in records if record.levelno == logging.INFO]
    return [line for line in told if "put true time" in line]


async def test_the_first_sample_in_doubt_is_logged_and_not_each_that_follows(
    honest_ones, until, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO, "chronotick.ntp.watchdog")
    clock = Clock()
    clock.error_ns = 200 * MS
    settings = dataclasses.replace(SETTINGS, panic_trigger=10**6)
    async with watching(clock, honest_ones, settings) as watch:
        await until(lambda: watch.report()["samples"]["contradicts"] >= 3)
        assert len(of_doubt(caplog.records)) == 1
        clock.error_ns = 0
        await until(lambda: watch.report()["samples"]["agrees"] >= 1)
        clock.error_ns = 200 * MS
        failed = watch.report()["samples"]["contradicts"]
        await until(lambda: watch.report()["samples"]["contradicts"] >= failed + 2)
    assert len(of_doubt(caplog.records)) == 2


async def test_a_pool_that_stays_divided_is_logged_once(
    divided, until, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(watch_module, "PANIC_PERIOD_S", 0.0)
    settings = dataclasses.replace(SETTINGS, sample_size=8, panic_trigger=1)
    async with watching(Clock(), divided, settings) as watch:
        await until(lambda: watch.report()["panics"] >= 3)
    (told,) = (record for record in caplog.records if "contradicts itself" in record.getMessage())
    assert (told.event, told.fields) == ("watchdog_blind", {"reason": "divided"})


async def test_an_alarm_of_before_stands_until_a_sample_agrees(
    honest_ones, until, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO, "chronotick.ntp.watchdog")
    clock = Clock()
    clock.there = False
    async with watching(clock, honest_ones, saved=SavedWatch(alarm=ALARM)) as watch:
        told = watch.report()
        assert (told["alarm"], told["alarm_from_before"], told["alarms"]) == (True, True, 0)
        assert told["problem"].startswith("before the daemon was restarted, 88 servers")
        clock.there = True
        await until(lambda: watch.alarm is None)
        assert watch.report()["alarm_from_before"] is False
    assert (clock.changes, clock.saves) == (1, 2)  # the servers, and the end of the alarm
    warning, info = caplog.records
    assert (warning.event, warning.fields["from_before"]) == ("watchdog_alarm", True)
    assert info.event == "watchdog_content"


async def test_an_alarm_of_before_is_confirmed_by_the_whole_pool(
    honest_ones, until, caplog: pytest.LogCaptureFixture
):
    clock = Clock()
    clock.error_ns = 200 * MS
    async with watching(clock, honest_ones, saved=SavedWatch(alarm=ALARM)) as watch:
        await until(lambda: watch.report()["panics"] == 1)
        told = watch.report()
    assert (told["alarm"], told["alarm_from_before"], told["alarms"]) == (True, False, 0)
    before, confirmed = (record.fields for record in caplog.records)
    assert (before["from_before"], before["answered"]) == (True, 88)
    assert (confirmed["from_before"], confirmed["answered"]) == (False, 7)


async def test_the_hour_between_two_panics_is_not_shortened_by_a_restart(honest_ones, until):
    clock = Clock()
    clock.error_ns = 200 * MS
    async with watching(clock, honest_ones, saved=SavedWatch(panic_age_s=60.0)) as watch:
        await until(lambda: watch.report()["samples"]["contradicts"] >= 5)
        assert watch.report()["panics"] == 0
        assert watch.saved().panic_age_s == pytest.approx(60.0, abs=30.0)


async def test_a_reload_does_not_shorten_the_hour_between_two_panics(honest_ones, until):
    clock = Clock()
    clock.error_ns = 200 * MS
    async with watching(clock, honest_ones) as watch:
        await until(lambda: watch.report()["panics"] == 1)
        watch.configure(dataclasses.replace(SETTINGS, panic_trigger=1))
        failed = watch.report()["samples"]["contradicts"]
        await until(lambda: watch.report()["samples"]["contradicts"] >= failed + 5)
        assert watch.report()["panics"] == 1


async def test_that_the_whole_pool_is_asked_is_saved_before_it_is(start_server, honest, until):
    """Who ends the daemon meanwhile, by a crash say, must not have it asked again at once."""
    ages: list[float | None] = []
    clock = Clock()
    clock.error_ns = 200 * MS
    servers = [(await start_server()).endpoint for _ in range(3)]
    settings = dataclasses.replace(SETTINGS, panic_trigger=1)
    async with watching(clock, servers, settings) as watch:
        clock.on_save = lambda: ages.append(watch.saved().panic_age_s)
        await until(lambda: watch.report()["panics"] == 1)
    begun = [age_s for age_s in ages if age_s is not None]
    assert len(begun) == 2  # when it begins, and when it has ended


def a_watch(name: str) -> Watch:
    return Watch(Pool([parse_server(name)], 100), SETTINGS, Clock().served, lambda: None)


def of_a_pool(host: str, age_s: float = 60.0) -> SavedPool:
    return SavedPool(servers=(SavedServer(host, "pool.example.org", 1, age_s),), round=1)


def events(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.event for record in caplog.records if hasattr(record, "event")]


async def test_an_alarm_and_the_hour_outlast_a_bad_address(caplog: pytest.LogCaptureFixture):
    watch = a_watch("pool.example.org")
    saved = SavedWatch(
        pool=of_a_pool("evil.example"), alarm=ALARM, alarm_age_s=60.0, panic_age_s=60.0
    )
    watch.restore(saved, elapsed_s=1.0)
    after = watch.saved()
    assert (watch.alarm, after.pool) == (ALARM, SavedPool())
    assert (after.alarm_age_s, after.panic_age_s) == (pytest.approx(61, abs=30),) * 2
    assert events(caplog) == ["watchdog_alarm"]
    assert "is gathered anew: what was saved has 'evil.example' does" in caplog.text


@pytest.mark.parametrize(
    ("name", "found_s", "said_s", "stands"),
    [
        ("pool.example.org", 60.0, 60.0, True),
        ("pool.example.org", 60.0, LISTED_S, False),
        ("pool.example.org", LISTED_S, 60.0, False),
        ("192.0.2.7", LISTED_S, 60.0, True),
        ("192.0.2.7", LISTED_S, LISTED_S, False),
    ],
    ids=["young", "old alarm", "old pool", "one server by name", "the same, old alarm"],
)
async def test_an_alarm_of_before_stands_while_it_is_young_and_somebody_can_end_it(
    name: str, found_s: float, said_s: float, caplog: pytest.LogCaptureFixture, *, stands: bool
):
    watch = a_watch(name)
    pool = of_a_pool("192.0.2.1", found_s)
    watch.restore(SavedWatch(pool=pool, alarm=ALARM, alarm_age_s=said_s), elapsed_s=0.0)
    assert (watch.alarm is not None) is stands
    assert events(caplog) == (["watchdog_alarm"] if stands else ["watchdog_dropped"])


async def test_an_alarm_of_before_that_nobody_confirms_ends_while_the_daemon_runs(
    honest_ones, until, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    clock = Clock()
    clock.there = False
    async with watching(clock, honest_ones, saved=SavedWatch(alarm=ALARM)) as watch:
        await until(lambda: watch.report()["pool"] == len(honest_ones))
        assert watch.alarm is ALARM
        monkeypatch.setattr(watch_module, "UNCONFIRMED_S", 0.0)
        await until(lambda: watch.alarm is None)
    assert clock.changes == 1
    assert events(caplog) == ["watchdog_alarm", "watchdog_dropped"]
