"""Against a real chronyd on loopback: one kernel clock on both sides, so the truth is known."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager

import pytest

from chronotick.config.schema import Ntp, Timing, WarmUp
from chronotick.ntp import Drop, Measurement, NtpMonitor, Query, ServerName, resolve, run_exchange
from chronotick.ntp.measurement import Stamps
from chronotick.ntp.timestamps import read_pair, stamping_kept_on

pytestmark = pytest.mark.chronyd

Until = Callable[[Callable[[], bool]], Awaitable[None]]
StartChronyd = Callable[..., AbstractContextManager[int]]
MS = 1_000_000


def has_ipv6_loopback() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


def error_ns(measurement: Measurement) -> int:
    pair = read_pair()
    return measurement.offset_ns - (pair.realtime_ns - pair.raw_ns)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        pytest.param(
            "::1", marks=pytest.mark.skipif(not has_ipv6_loopback(), reason="no IPv6 loopback")
        ),
    ],
)
async def test_the_offset_is_right_and_within_its_bound(chronyd_port: int, host: str) -> None:
    (endpoint,) = await resolve(ServerName(host, chronyd_port))
    with stamping_kept_on():
        for _ in range(20):
            query = Query(endpoint=endpoint, timeout_s=5, max_delay_ns=1000 * MS)
            outcome = await run_exchange(query)
            assert outcome.reply is not None, outcome.error
            measured = outcome.reply.measurement
            assert measured.stamps is Stamps.KERNEL
            assert abs(error_ns(measured)) < min(measured.root_distance_ns, MS)


async def test_a_monitor_has_usable_time_from_a_real_server(
    chronyd_port: int, until: Until
) -> None:
    measured: list[Measurement] = []
    timing = Timing(warm_up=WarmUp(duration_seconds=0.2, measurement_interval=0.05))
    monitor = NtpMonitor(Ntp(servers=[f"127.0.0.1:{chronyd_port}"]), timing, measured.append)
    task = asyncio.create_task(monitor.run())
    await until(lambda: len(measured) >= 4)
    selection, (report,) = monitor.selected(), monitor.sources()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert selection.best == f"127.0.0.1:{chronyd_port}"
    assert selection.low_ns is not None
    assert selection.high_ns is not None
    pair = read_pair()
    assert selection.low_ns < pair.realtime_ns - pair.raw_ns < selection.high_ns
    assert report.system_offset_ns is not None
    assert report.root_distance_ns is not None
    assert abs(report.system_offset_ns) < min(report.root_distance_ns, MS)


async def test_an_unsynchronised_chronyd_is_not_believed(start_chronyd: StartChronyd) -> None:
    with start_chronyd(synchronised=False) as port:
        query = Query(
            endpoint=(await resolve(ServerName("127.0.0.1", port)))[0],
            timeout_s=0.2,
            max_delay_ns=1000 * MS,
        )
        outcome = await run_exchange(query)
    assert outcome.reply is None
    assert outcome.drops == {Drop.UNSYNCHRONISED: 1}
