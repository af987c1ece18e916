"""An asyncio event loop whose time passes only when it is told to.

The daemon's prediction loops run on it as they are: what makes a model due, who waits for whom and
what a missed deadline costs is decided by the same code, at virtual instants.
"""

from __future__ import annotations

import asyncio
import math
import selectors
from collections.abc import Callable
from contextvars import Context

RESOLUTION_S = 1e-9  # of what is due at once; asyncio's own


class VirtualLoop(asyncio.SelectorEventLoop):
    """Starts at time 0. Nothing in it may wait for a socket, a process or another thread."""

    def __init__(self) -> None:
        self._now_s = 0.0
        self._until_s = 0.0
        self._due_s = 0.0  # when there is something to do
        super().__init__(_Leap(self))

    def time(self) -> float:
        """Virtual seconds since the start."""
        return self._now_s

    def run_until(self, virtual_s: float) -> None:
        """Do everything that is due until an instant, that instant included."""
        if self._due_s <= virtual_s + RESOLUTION_S:
            self._until_s = virtual_s
            self.run_forever()
        self._now_s = virtual_s

    def call_soon(
        self,
        callback: Callable[..., object],
        *args: object,
        context: Context | None = None,
    ) -> asyncio.Handle:
        """Remember that there is something to do."""
        self._due_s = self._now_s
        return super().call_soon(callback, *args, context=context)

    def leap(self, timeout_s: float) -> None:
        """Go to the next thing that is due, or stop where it lies beyond the instant asked for."""
        due_s = self._now_s + timeout_s
        if due_s > self._until_s + RESOLUTION_S:
            self._due_s = due_s
            self.stop()
        else:
            self._now_s = min(due_s, self._until_s)


class _Leap(selectors.SelectSelector):
    """Instead of waiting, lets time leap."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout != 0:
            self._loop.leap(math.inf if timeout is None else timeout)
        return []
