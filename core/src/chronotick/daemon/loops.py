"""Doing something at a steady rate: in the event loop, or in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable


class Ticker:
    """Calls a function at a steady rate until cancelled.

    Late calls are skipped, not made up for: what matters is now.

    Args:
        period_s: time between calls.
        tick: the function.
    """

    def __init__(self, period_s: float, tick: Callable[[], None]) -> None:
        self._period_s = period_s
        self._tick = tick

    async def run(self) -> None:
        """Tick until cancelled; an exception in the function ends it."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            self._tick()
            due = max(due + self._period_s, loop.time())
            await asyncio.sleep(due - loop.time())


class SteadyThread:
    """Calls a function at a steady rate in a thread until it is stopped.

    A sleeping thread wakes at a third of the cost of a timer in an event loop, and does not wait
    for what the loop is doing.

    Args:
        period_s: time between calls; may be changed while it runs.
        tick: the function.
        failed: told, in the thread, of the exception that ended it.
    """

    def __init__(
        self,
        period_s: float,
        tick: Callable[[], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        self.period_s = period_s
        self.missed = 0
        self._tick = tick
        self._failed = failed
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)

    def start(self) -> None:
        """Begin ticking."""
        self._thread.start()

    def stop(self) -> None:
        """End it and wait for its last tick."""
        self._stopped = True
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        try:
            due = time.monotonic()
            while not self._stopped:
                self._tick()
                due += self.period_s
                ahead = due - time.monotonic()
                if ahead < 0:
                    skipped = int(-ahead / self.period_s) + 1
                    self.missed += skipped
                    due += skipped * self.period_s
                    ahead += skipped * self.period_s
                time.sleep(ahead)
        except BaseException as error:  # noqa: BLE001 - whatever it is, the daemon must know
            self._failed(error)
