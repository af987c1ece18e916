"""One model, many clocks: nobody waits longer than one turn of everybody else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from chronotick.workers.messages import ForecastRequest
from chronotick.workers.turns import Job, Turns


class Table:
    """Serves one job each time it is told to, and remembers in which order."""

    def __init__(self) -> None:
        self.served: list[tuple[bytes, int]] = []
        self.go = asyncio.Semaphore(0)
        self.turns = Turns(self.serve)

    async def serve(self, job: Job) -> None:
        await self.go.acquire()
        self.served.append((job.client, job.request.id))

    def put(self, client: bytes, number: int) -> Job | None:
        request = ForecastRequest(id=number, deadline_ns=1, horizon=1, quantiles=(), step_s=1.0)
        return self.turns.put(Job(client, request, 0.0))


@pytest.fixture
async def table() -> AsyncIterator[Table]:
    made = Table()
    yield made
    await made.turns.close()


async def test_clients_are_served_in_turn_whoever_asks_more(
    table: Table, until: Callable[..., Awaitable[None]]
):
    table.put(b"greedy", 1)
    await asyncio.sleep(0)  # it is being served
    table.put(b"greedy", 2)
    table.put(b"a", 1)
    table.put(b"b", 1)
    table.go.release()
    table.go.release()
    await until(lambda: len(table.served) == 2)
    table.put(b"greedy", 3)  # behind those that wait
    for _ in range(3):
        table.go.release()
    await until(lambda: len(table.served) == 5)
    clients = [client for client, _ in table.served]
    assert clients == [b"greedy", b"greedy", b"a", b"b", b"greedy"]


async def test_newer_request_takes_the_place_of_the_older(
    table: Table, until: Callable[..., Awaitable[None]]
):
    table.put(b"first", 1)
    await asyncio.sleep(0)
    assert table.put(b"a", 1) is None
    table.put(b"b", 1)
    assert table.put(b"a", 2).request.id == 1
    for _ in range(3):
        table.go.release()
    await until(lambda: len(table.served) == 3)
    assert table.served == [(b"first", 1), (b"a", 2), (b"b", 1)]


async def test_waiting_requests_can_be_taken_back(
    table: Table, until: Callable[..., Awaitable[None]]
):
    table.put(b"first", 1)
    await asyncio.sleep(0)
    table.put(b"a", 7)
    assert table.turns.cancel(b"a", 6) is None
    assert table.turns.cancel(b"a", 7).request.id == 7
    assert table.turns.cancel(b"a", 7) is None
    table.put(b"b", 1)
    table.turns.forget(b"b")
    table.put(b"c", 1)
    table.go.release()
    table.go.release()
    await until(lambda: len(table.served) == 2)
    assert table.served == [(b"first", 1), (b"c", 1)]
