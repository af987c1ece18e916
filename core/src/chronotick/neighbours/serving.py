"""The neighbours of one daemon, run together until they are told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import signal
from collections.abc import Callable, Coroutine, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chronotick.client.served import ServedClock
from chronotick.neighbours.clockbound import ClockBound
from chronotick.neighbours.ntp_server import NtpServer, bind
from chronotick.neighbours.rate_limit import RateLimiter
from chronotick.neighbours.reference import ReferenceKeeper
from chronotick.neighbours.sock import SockFeed
from chronotick.neighbours.standing import Standing, StandingLog, standing_of
from chronotick.ntp.timestamps import stamping_kept_on

OBSERVATION_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Whom to give the time, and where it comes from.

    Attributes:
        record: the published record; None is the default one.
        control: the daemon's control socket; None is the default one.
        ntp: host and port of each NTP server.
        ntp_rate: questions per second that each address is answered.
        sock: sockets of chronyd or ntpd-rs.
        sock_interval_s: between two samples.
        clockbound: file of the ClockBound segment; None is none.
    """

    record: Path | None = None
    control: Path | None = None
    ntp: Sequence[tuple[str, int]] = ()
    ntp_rate: float = 20.0
    sock: Sequence[Path] = ()
    sock_interval_s: float = 1.0
    clockbound: Path | None = None


async def serve(plan: Plan) -> None:
    """Serve the neighbours until SIGTERM or SIGINT.

    A daemon that is absent, ends or starts anew ends nothing here.

    Raises:
        NeighbourError: a port or a file cannot be taken, at the start or later.
    """
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    with contextlib.ExitStack() as stack:
        work = _open(plan, stack)
        await _until_first_ends([stopped.wait(), *work])


def _open(plan: Plan, stack: contextlib.ExitStack) -> list[Coroutine[Any, Any, Any]]:
    """Take every port and file, then start; return what has to run.

    Everything is taken before anything starts, so that no neighbour is served by half.
    """
    standing = functools.partial(standing_of, ServedClock(plan.record))
    reference = ReferenceKeeper(plan.control, standing)
    sockets = [stack.enter_context(bind(host, port)) for host, port in plan.ntp]
    feeds = [stack.enter_context(closing(SockFeed(path, standing))) for path in plan.sock]
    paths = [plan.clockbound] if plan.clockbound else []
    segments = [stack.enter_context(closing(ClockBound(path, standing))) for path in paths]
    if sockets:
        stack.enter_context(stamping_kept_on())
    for sock in sockets:
        limiter = RateLimiter(plan.ntp_rate)
        server = NtpServer(sock, standing, lambda: reference.current, limiter)
        server.start()
        stack.callback(server.stop)
    return [
        _observe(standing),
        *([reference.keep()] if sockets else []),
        *(feed.keep(plan.sock_interval_s) for feed in feeds),
        *(segment.keep() for segment in segments),
    ]


async def _observe(standing: Callable[[], Standing]) -> None:
    log = StandingLog()
    while True:
        log.observe(standing())
        await asyncio.sleep(OBSERVATION_S)


async def _until_first_ends(work: Sequence[Coroutine[Any, Any, Any]]) -> None:
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
