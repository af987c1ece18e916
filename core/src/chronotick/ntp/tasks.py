"""Tasks that live as long as their owner, and survive their own mistakes.

``asyncio.TaskGroup`` needs Python 3.11 and ends everything at the first exception: the opposite of
what a daemon wants from its network side.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from types import TracebackType
from typing import final

logger = logging.getLogger("chronotick.ntp")

_FIRST_RESTART_S = 1.0
_LAST_RESTART_S = 64.0


@final
class Tasks:
    """A set of tasks, all cancelled and waited for when the block ends."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Tasks:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def spawn(
        self, work: Callable[[], Coroutine[None, None, None]], name: str
    ) -> asyncio.Task[None]:
        """Run a coroutine function until it returns, again and again if it raises."""
        task = asyncio.get_running_loop().create_task(_undying(work, name), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


async def _undying(work: Callable[[], Awaitable[None]], name: str) -> None:
    pause_s = _FIRST_RESTART_S
    while True:
        try:
            return await work()
        except Exception:
            logger.exception("%s failed: a mistake in ChronoTick. Again in %g s", name, pause_s)
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, _LAST_RESTART_S)


class Alarm:
    """A sleep that can be cut short."""

    def __init__(self) -> None:
        self._ringing = False
        self._waiter: asyncio.Future[None] | None = None

    def ring(self) -> None:
        """End the present sleep, or the next one if nobody sleeps."""
        self._ringing = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def wait(self, timeout_s: float | None) -> None:
        """Sleep until the timeout (None: for ever) or until somebody rings."""
        if not self._ringing:
            self._waiter = asyncio.get_running_loop().create_future()
            # Not wait_for(): before Python 3.12 it can swallow a cancellation.
            await asyncio.wait({self._waiter}, timeout=timeout_s)
        self._ringing = False
