"""Many clocks, one model: the newest request of each, in turn, one at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from chronotick.workers.messages import ForecastRequest


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """A clock's request. ``deadline_s`` is of the event loop's clock."""

    client: bytes
    request: ForecastRequest
    deadline_s: float


class Turns:
    """Serves clients round robin: who has been served goes behind all who wait."""

    def __init__(self, serve: Callable[[Job], Awaitable[None]]) -> None:
        self._serve = serve
        self._waiting: dict[bytes, Job] = {}  # in the order in which the clients came
        self._arrived = asyncio.Event()
        self._task = asyncio.get_running_loop().create_task(self._run())

    def put(self, job: Job) -> Job | None:
        """Let a job wait; returns the older one of the same client that gives way to it."""
        older = self._waiting.get(job.client)
        self._waiting[job.client] = job
        self._arrived.set()
        return older

    def cancel(self, client: bytes, request_id: int) -> Job | None:
        """Take a waiting job back; ``None`` if it does not wait (any more)."""
        job = self._waiting.get(client)
        if job is None or job.request.id != request_id:
            return None
        return self._waiting.pop(client)

    def forget(self, client: bytes) -> None:
        """Drop what a client waits for."""
        self._waiting.pop(client, None)

    async def close(self) -> None:
        """Serve nobody any more."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await self._arrived.wait()
            while self._waiting:
                first = next(iter(self._waiting))
                await self._serve(self._waiting.pop(first))
            self._arrived.clear()
