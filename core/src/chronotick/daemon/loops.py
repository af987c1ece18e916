"""Doing something at a steady rate: in the event loop, or in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable
from typing import Any, Final

_MS = 1e-3
LATENESS_BOUNDS_S: Final = tuple(
    ms * _MS for ms in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
)
"""Upper ends of the classes that lateness is counted in: below the first it is that of a sleep."""


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


class Lateness:
    """Counts how late calls were. Written by one thread, read by any."""

    def __init__(self) -> None:
        self._counts = [0] * (len(LATENESS_BOUNDS_S) + 1)
        self._sum_s = 0.0

    def add(self, late_s: float) -> None:
        """Count a call that was this late (s)."""
        self._counts[bisect_left(LATENESS_BOUNDS_S, late_s)] += 1
        self._sum_s += late_s

    def report(self) -> dict[str, Any]:
        """Calls by lateness, for status.

        Returns:
            ``bounds_s``: the upper ends, which belong to their classes; ``counts``: calls in each
            class, one more for those beyond the last; ``sum_s``: of all of them.
        """
        return {
            "bounds_s": list(LATENESS_BOUNDS_S),
            "counts": list(self._counts),
            "sum_s": self._sum_s,
        }


class SteadyThread:
    """Calls a function at a steady rate in a thread until it is stopped.

    A sleeping thread wakes at a third of the cost of a timer in an event loop, and does not wait
    for what the loop is doing.

    Args:
        period_s: time between calls; may be changed while it runs.
        tick: the function.
        failed: told, in the thread, of the exception that ended it.
        sleep: sleeps for a time in s; True: it was woken before, and the function is called at
            once, besides its regular calls. At most once between two of these.
    """

    def __init__(
        self,
        period_s: float,
        tick: Callable[[], None],
        failed: Callable[[BaseException], None],
        sleep: Callable[[float], bool | None] = time.sleep,
    ) -> None:
        self.period_s = period_s
        self.missed = 0
        self.lateness = Lateness()
        self._tick = tick
        self._failed = failed
        self._sleep = sleep
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
                self.lateness.add(time.monotonic() - due)
                self._tick()
                due += self.period_s
                ahead = due - time.monotonic()
                if ahead < 0:
                    skipped = int(-ahead / self.period_s) + 1
                    self.missed += skipped
                    due += skipped * self.period_s
                    ahead += skipped * self.period_s
                if self._sleep(ahead):
                    self._tick()
                    time.sleep(max(0.0, due - time.monotonic()))
        except BaseException as error:  # noqa: BLE001 - whatever it is, the daemon must know
            self._failed(error)


async def cancel(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """End tasks, and wait until they have; what they raise then is nobody's concern."""
    cancelled = list(tasks)
    for task in cancelled:
        task.cancel()
    await asyncio.gather(*cancelled, return_exceptions=True)
