"""Doing something at a steady rate in an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Ticker:
    """Calls a function at a steady rate until cancelled.

    Late calls are counted and skipped, not made up for: what matters is now.

    Args:
        period_s: time between calls.
        tick: the function.
    """

    def __init__(self, period_s: float, tick: Callable[[], None]) -> None:
        self.period_s = period_s
        self.missed = 0
        self._tick = tick

    async def run(self) -> None:
        """Tick until cancelled; an exception in the function ends it."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            self._tick()
            due += self.period_s
            behind = loop.time() - due
            if behind > 0:
                skipped = int(behind / self.period_s) + 1
                self.missed += skipped
                due += skipped * self.period_s
            await asyncio.sleep(due - loop.time())
