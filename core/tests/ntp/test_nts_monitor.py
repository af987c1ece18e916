"""Plain and authenticated servers side by side: who sets the time at the start."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from pathlib import Path
from typing import Literal, Protocol

import pytest

from chronotick.config.schema import NormalOperation, Ntp, Timing, WarmUp
from chronotick.ntp import Measurement, NtpMonitor
from chronotick.ntp import monitor as monitor_module
from chronotick.ntp.address import Endpoint
from chronotick.ntp.nts.testing import Authority, Ports, running_nts_chronyd
from chronotick.ntp.packet import Packet

QUICK = Timing(
    warm_up=WarmUp(duration_seconds=0.04, measurement_interval=0.01),
    normal_operation=NormalOperation(measurement_interval=0.02, max_interval=0.16),
)
LIE_NS = 250_000_000


class Server(Protocol):
    endpoint: Endpoint


Answer = Callable[[Packet], Iterable[bytes]]
StartServer = Callable[[Answer], Awaitable[Server]]
Until = Callable[[Callable[[], bool]], Awaitable[None]]
Honest = Callable[..., Packet]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
async def liars(start_server: StartServer, honest: Honest) -> list[str]:
    """Three plain servers that agree on a time 250 ms wrong, and answer at once."""

    def lie(request: Packet) -> Iterable[bytes]:
        return [honest(request, error_ns=LIE_NS).pack()]

    return [str((await start_server(lie)).endpoint) for _ in range(3)]


class Watch:
    """A monitor, and the measurements that it believed when they came."""

    def __init__(
        self,
        servers: list[str],
        authentication: Literal["require", "prefer", "ignore"],
        trusted: Path | None = None,
    ) -> None:
        ntp = Ntp(servers=servers, authentication=authentication, nts_trusted_certs=trusted)
        self.believed: list[Measurement] = []
        self.seen: list[Measurement] = []
        self.monitor = NtpMonitor(ntp, QUICK, self._take)

    def _take(self, measurement: Measurement) -> None:
        self.seen.append(measurement)
        if self.monitor.selected().uses(measurement.source):
            self.believed.append(measurement)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.monitor.run())
        yield
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    @property
    def letters(self) -> str:
        return "".join(report.reason.value for report in self.monitor.sources())


@pytest.fixture
def nts(start_chronyd: object, authority: Authority) -> Iterable[Ports]:
    with running_nts_chronyd(authority.issue()) as ports:
        yield ports


@pytest.mark.chronyd
async def test_servers_that_answer_faster_do_not_set_the_time_before_preferred_ones(
    authority: Authority, nts: Ports, liars: list[str], until: Until
) -> None:
    watch = Watch([*liars, f"nts://localhost:{nts.keys}"], "prefer", authority.certificate)
    async with watch.running():
        await until(lambda: len(watch.believed) > 5)
        assert not watch.seen[0].authenticated  # they were there first
        assert all(measurement.authenticated for measurement in watch.believed)
        assert watch.letters == "xxx*"
        watch.monitor.burst(forget=True)  # as after a suspend
        assert watch.letters == "...."
        watch.believed.clear()
        await until(lambda: len(watch.believed) > 5)
        assert all(measurement.authenticated for measurement in watch.believed)


def closed_port() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return f"nts://127.0.0.1:{sock.getsockname()[1]}"


@pytest.mark.parametrize(
    "dead", [closed_port(), "nts://no-such-host.invalid"], ids=["closed port", "no such host"]
)
async def test_where_no_preferred_server_answers_the_others_are_believed(
    liars: list[str], until: Until, dead: str
) -> None:
    watch = Watch([*liars, dead], "prefer")
    async with watch.running():
        await until(lambda: len(watch.believed) > 5)
        assert watch.letters[:3].count("*") == 1


async def test_it_tells_which_sources_authenticate_and_while_they_have_not_answered(
    liars: list[str], until: Until
) -> None:
    dead = closed_port()
    watch = Watch([*liars, dead, "nts://no-such-host.invalid"], "prefer")
    assert watch.monitor.awaits_authenticated
    async with watch.running():
        await until(lambda: not watch.monitor.awaits_authenticated)
        assert watch.monitor.authenticated == {dead}


async def test_nobody_waits_longer_than_is_said(
    liars: list[str], until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server for keys that accepts connections and says nothing."""
    monkeypatch.setattr(monitor_module, "PREFERRED_NS", 100_000_000)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        watch = Watch([*liars, f"nts://127.0.0.1:{silent.getsockname()[1]}"], "prefer")
        async with watch.running():
            await until(lambda: len(watch.believed) > 5)


@pytest.mark.parametrize(("authentication", "letters"), [("require", "AAA?"), ("ignore", "*++?")])
async def test_without_preference_nobody_waits_or_everybody_does(
    liars: list[str],
    until: Until,
    authentication: Literal["require", "ignore"],
    letters: str,
) -> None:
    watch = Watch([*liars, closed_port()], authentication)
    async with watch.running():
        await until(lambda: sorted(watch.letters) == sorted(letters))
        assert bool(watch.believed) == (authentication == "ignore")
