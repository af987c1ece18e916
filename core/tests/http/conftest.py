"""A daemon's record, control socket and history, real ones, without the daemon; and a server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect

from chronotick.access.listening import Listener, listening
from chronotick.daemon.control import ControlServer
from chronotick.history import History, Reading, open_history
from chronotick.http.application import Application
from chronotick.http.gate import Gate
from chronotick.http.serving import Settings, gate_of, server_of
from chronotick.views import Past, Snapshot

TOKEN = "correct-horse+battery/staple=="  # noqa: S105 - of tests only
ANSWERS: dict[str, Any] = {
    "status": {"status": "synchronised", "reason": "measured", "problems": []},
    "sources": [{"id": "a", "last_error": "<img src=x onerror=alert(1)>"}],
    "models": {"kalman": {"state": "ready", "weight": 1.0}},
}


@dataclass
class Places:
    """Where the parts of a daemon are."""

    directory: Path

    @property
    def record(self) -> Path:
        return self.directory / "record"

    @property
    def control(self) -> Path:
        return self.directory / "control.sock"

    @property
    def history(self) -> Path:
        return self.directory / "history.sqlite3"

    def snapshot(self) -> Snapshot:
        return Snapshot(self.record, self.control, max_age_s=0.0)

    def application(self, gate: Gate = Gate(), most_clients: int = 256) -> Application:  # noqa: B008 - frozen
        return Application(self.snapshot(), Past(self.history), gate, most_clients)


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path)


@pytest.fixture
async def answers(places: Places) -> AsyncIterator[dict[str, Any]]:
    """What the control socket answers, which a test may change."""
    told = dict(ANSWERS)
    server = ControlServer(places.control, {name: lambda name=name: told[name] for name in ANSWERS})
    await server.start()
    yield told
    await server.close()


EPOCH_NS = 1_800_000_000 * 10**9


@pytest.fixture
def history(places: Places) -> Iterator[History]:
    """Twenty seconds of a daemon's life."""
    with open_history(places.history, 30).history as history:
        for second in (0, 10, 20):
            history.add_reading(
                Reading(
                    raw_ns=second * 10**9,
                    unix_ns=EPOCH_NS + second * 10**9 + 123_456_789,
                    status="synchronised",
                    system_minus_utc_ns=7,
                    bound_ns=1000,
                    sigma_ns=30,
                    frequency=1e-5,
                    coverage=0.9,
                    weights={"kalman": 0.75, "time": 0.25},
                )
            )
        history.add_transition(
            raw_ns=1, unix_ns=EPOCH_NS + 1, before="unknown", after="warming-up", reason="first"
        )
        assert history.flush()
        yield history


Ask = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


@pytest.fixture
def asking(places: Places) -> Ask:
    """A client of the application alone."""

    def client(gate: Gate = Gate()) -> httpx.AsyncClient:  # noqa: B008 - frozen
        transport = httpx.ASGITransport(places.application(gate))
        return httpx.AsyncClient(transport=transport, base_url="http://localhost")

    return client


@dataclass
class Running:
    """A server that listens."""

    listener: Listener

    @property
    def url(self) -> str:
        return self.listener.url.rstrip("/")

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.listener.sockets[0].getsockname()[:2]
        return str(host), int(port)

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.url, trust_env=False)

    def stream(self, query: str = "", **options: Any) -> connect:  # noqa: ANN401 - as connect() has them
        url = self.url.replace("http", "ws", 1)
        return connect(f"{url}/v1/stream{query}", proxy=None, **options)

    async def raw(self, data: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(*self.address)
        writer.write(data)
        await writer.drain()
        return reader, writer


Serve = Callable[..., AbstractAsyncContextManager[Running]]


@pytest.fixture
def serving(places: Places) -> Serve:
    """Run the real server for the length of an ``async with`` block."""

    @contextlib.asynccontextmanager
    async def run(settings: Settings = Settings()) -> AsyncIterator[Running]:  # noqa: B008 - frozen
        with listening("127.0.0.1:0") as listener:
            gate = gate_of(listener, settings)
            server = server_of(places.application(gate, settings.most_clients), settings)
            task = asyncio.create_task(server.serve(list(listener.sockets)))
            while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
                await asyncio.sleep(0.01)
            try:
                yield Running(listener)
            finally:
                server.should_exit = True
                await task

    return run
