from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Protocol

import pytest

from chronotick.config.schema import NormalOperation, Ntp, Timing, WarmUp
from chronotick.ntp import Measurement, NtpMonitor, Reason
from chronotick.ntp.address import Endpoint
from chronotick.ntp.packet import Packet

SECOND = 1_000_000_000
QUICK = Timing(
    warm_up=WarmUp(duration_seconds=0.04, measurement_interval=0.01),
    normal_operation=NormalOperation(measurement_interval=0.02, max_interval=0.16),
)
LAZY = Timing(
    warm_up=WarmUp(duration_seconds=0),
    normal_operation=NormalOperation(measurement_interval=3600, max_interval=3600),
)


class Server(Protocol):
    endpoint: Endpoint
    answer: Callable[[Packet], Iterable[bytes]]
    requests: list[bytes]


Until = Callable[[Callable[[], bool]], Awaitable[None]]
StartServer = Callable[..., Awaitable[Server]]
Honest = Callable[..., Packet]


def ntp(
    *servers: Server, min_sources: int = 1, max_stratum: int = 15, timeout_s: float = 30
) -> Ntp:
    """Regression: with a timeout of 0.1 s a stalled machine lost the only question of `LAZY`."""
    return Ntp(
        servers=[str(server.endpoint) for server in servers],
        timeout_seconds=timeout_s,
        min_sources=min_sources,
        max_stratum=max_stratum,
    )


@contextlib.asynccontextmanager
async def running(monitor: NtpMonitor) -> AsyncIterator[NtpMonitor]:
    task = asyncio.create_task(monitor.run())
    yield monitor
    assert not task.done(), "the monitor ended by itself"
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def letters(monitor: NtpMonitor) -> str:
    return "".join(report.reason.value for report in monitor.sources())


@pytest.fixture
def liar(start_server: StartServer, honest: Honest) -> Callable[[], Awaitable[Server]]:
    """A server that is an hour off."""
    return lambda: start_server(lambda q: [honest(q, error_ns=3600 * SECOND).pack()])


async def test_servers_are_measured_in_parallel_and_reported(
    start_server: StartServer, until: Until
) -> None:
    servers = [await start_server() for _ in range(3)]
    measured: list[Measurement] = []
    async with running(NtpMonitor(ntp(*servers), QUICK, measured.append)) as monitor:
        assert letters(monitor) == "..."
        await until(lambda: sorted(letters(monitor)) == ["*", "+", "+"])
        reports = monitor.sources()
        await until(lambda: len(measured) > 12)
    assert {each.source for each in measured} == {str(server.endpoint) for server in servers}
    assert all(report.reach & 1 for report in reports)


async def test_the_selection_already_knows_the_measurement_it_is_asked_about(
    start_server: StartServer, until: Until
) -> None:
    server = await start_server()
    used: list[bool] = []
    monitor = NtpMonitor(
        ntp(server), QUICK, lambda m: used.append(monitor.selected().uses(m.source))
    )
    async with running(monitor):
        await until(lambda: len(used) >= 3)
    assert all(used)


async def test_a_liar_is_measured_but_not_believed(
    start_server: StartServer, liar: Callable[[], Awaitable[Server]], until: Until
) -> None:
    bad = await liar()
    monitor = NtpMonitor(ntp(await start_server(), bad, await start_server()), QUICK, ignore)
    async with running(monitor):
        await until(lambda: monitor.selected().reasons.get(str(bad.endpoint)) == "x")
        await until(lambda: len(monitor.selected().survivors) == 2)
    assert not monitor.selected().uses(str(bad.endpoint))


def ignore(_: Measurement) -> None:
    pass


async def test_two_servers_that_contradict_each_other_are_both_disbelieved(
    start_server: StartServer, liar: Callable[[], Awaitable[Server]], until: Until
) -> None:
    monitor = NtpMonitor(ntp(await start_server(), await liar()), QUICK, ignore)
    async with running(monitor):
        await until(lambda: letters(monitor) == "mm")
        assert monitor.selected().best is None


async def test_a_minimum_of_sources_is_waited_for(start_server: StartServer, until: Until) -> None:
    first, second = await start_server(), await start_server()
    monitor = NtpMonitor(ntp(first, min_sources=2), QUICK, ignore)
    async with running(monitor):
        await until(lambda: letters(monitor) == "W")
        monitor.reconfigure(ntp(first, second, min_sources=2), QUICK)
        await until(lambda: sorted(letters(monitor)) == ["*", "+"])


async def test_limits_of_stratum_and_distance_are_applied(
    start_server: StartServer, honest: Honest, until: Until
) -> None:
    far = await start_server(lambda q: [honest(q, root_dispersion=2 << 16).pack()])
    low = await start_server(lambda q: [honest(q, stratum=9).pack()])
    monitor = NtpMonitor(ntp(far, low, max_stratum=8), QUICK, ignore)
    async with running(monitor):
        await until(lambda: letters(monitor) == "dS")


async def test_reconfiguring_adds_and_removes_servers_and_keeps_the_others(
    start_server: StartServer, until: Until
) -> None:
    kept, removed, added = [await start_server() for _ in range(3)]
    monitor = NtpMonitor(ntp(kept, removed), LAZY, ignore)
    async with running(monitor):
        await until(lambda: sorted(letters(monitor)) == ["*", "+"])
        monitor.reconfigure(ntp(kept, added), LAZY)
        await until(lambda: sorted(letters(monitor)) == ["*", "+"])
        reports = {report.id: report for report in monitor.sources()}
        assert set(reports) == {str(kept.endpoint), str(added.endpoint)}
        assert str(removed.endpoint) not in monitor.selected().reasons
        assert reports[str(kept.endpoint)].reach & 1


async def test_a_burst_asks_everybody_at_once_and_can_forget(
    start_server: StartServer, until: Until
) -> None:
    server = await start_server()
    measured: list[Measurement] = []
    monitor = NtpMonitor(ntp(server), LAZY, measured.append)
    async with running(monitor):
        await until(lambda: len(measured) == 1)
        monitor.burst(forget=True)
        assert letters(monitor) == "."
        await until(lambda: len(measured) == 2)
        await until(lambda: letters(monitor) == "*")


async def test_without_a_burst_at_start_the_first_question_still_comes_at_once(
    start_server: StartServer, until: Until
) -> None:
    monitor = NtpMonitor(ntp(await start_server()), QUICK, ignore, burst_at_start=False)
    async with running(monitor):
        await until(lambda: letters(monitor) == "*")
        assert monitor.sources()[0].poll_s == 0.02


async def test_good_predictions_lengthen_the_poll_interval_of_their_source(
    start_server: StartServer, until: Until
) -> None:
    first, second = await start_server(), await start_server()
    monitor = NtpMonitor(ntp(first, second), QUICK, ignore, burst_at_start=False)
    async with running(monitor):
        await until(lambda: len(monitor.selected().survivors) == 2)
        for _ in range(6):
            monitor.feedback(str(second.endpoint), 0.5)
        monitor.feedback("192.0.2.1:123", 0.5)  # gone in the meantime: nothing happens
        assert [report.poll_s for report in monitor.sources()] == [0.02, 0.04]


async def test_a_mistake_of_the_receiver_ends_nothing(
    start_server: StartServer, caplog: pytest.LogCaptureFixture, until: Until
) -> None:
    calls: list[Measurement] = []

    def fail(measurement: Measurement) -> None:
        calls.append(measurement)
        raise RuntimeError("database is locked")

    async with running(NtpMonitor(ntp(await start_server()), QUICK, fail)):
        await until(lambda: len(calls) >= 3)
    assert "database is locked" in caplog.text


async def test_servers_that_fail_in_every_way_do_not_disturb_the_good_one(
    start_server: StartServer, closed_endpoint: Endpoint, honest: Honest, until: Until
) -> None:
    good = await start_server()
    silent = await start_server(lambda _: [])
    babbling = await start_server(lambda _: [b"not an NTP packet"])
    unsynchronised = await start_server(lambda q: [honest(q, leap=3).pack()])
    names = [str(each.endpoint) for each in (good, silent, babbling, unsynchronised)]
    names += [str(closed_endpoint), "255.255.255.255", "no-such-host.invalid"]
    monitor = NtpMonitor(Ntp(servers=names, timeout_seconds=0.03), QUICK, ignore)
    async with running(monitor):
        await until(lambda: letters(monitor) == "*??????")
        reports = {report.name: report for report in monitor.sources()}
    assert reports[names[1]].drops["timeout"]
    assert reports[names[2]].drops["truncated"]
    assert reports[names[3]].drops["unsynchronised"]
    assert reports[names[4]].drops["refused"]
    assert reports[names[5]].drops["network"]
    assert "has no address" in reports[names[6]].last_error
    assert all(report.last_error for report in monitor.sources()[1:])


async def test_each_change_of_a_source_is_one_line(
    start_server: StartServer, caplog: pytest.LogCaptureFixture, until: Until
) -> None:
    caplog.set_level("INFO", "chronotick.ntp")
    server = await start_server()
    measured: list[Measurement] = []
    monitor = NtpMonitor(ntp(server, timeout_s=0.1), QUICK, measured.append)
    async with running(monitor):
        await until(lambda: len(measured) >= 6)
        server.answer = lambda _: []
        await until(lambda: letters(monitor) == "?")
        asked = len(server.requests)
        await until(lambda: len(server.requests) >= asked + 2)
    lines = [record.message for record in caplog.records]
    name = str(server.endpoint)
    assert lines == [
        f"{name}: {Reason.BEST.words}",
        f"{name}: {Reason.UNREACHABLE.words} (no reply in time)",
    ]
