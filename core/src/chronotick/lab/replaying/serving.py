"""Served time: what readers would have seen, steered by the daemon's own steering."""

from __future__ import annotations

from chronotick.config.schema import Shm
from chronotick.daemon.publisher import Plan
from chronotick.daemon.steering import Served, Steering

PERIOD_NS = 200_000_000  # five publications a second: any more steer with the same time constant


class SteppedBackError(Exception):
    """Raised when served time ran backwards within an epoch, which it never may.

    Attributes:
        raw_ns: when.
    """

    def __init__(self, raw_ns: int, back_ns: int) -> None:
        self.raw_ns = raw_ns
        self.back_ns = back_ns
        super().__init__(f"served time stepped back by {back_ns} ns")


class ServedTime:
    """Follows plans as the publisher does, without writing records.

    Args:
        shm: how fast served time is slewed, and what it steps over.
        raw_ns: RAW time at the start.
    """

    def __init__(self, shm: Shm, raw_ns: int) -> None:
        self._steering = Steering(shm.max_slew_ppm * 1e-6, round(shm.step_threshold_seconds * 1e9))
        self._next_ns = raw_ns
        self._generation = 0
        self._served: Served | None = None
        self.steps = 0

    def follow(self, plan: Plan, raw_ns: int) -> None:
        """Publish as planned until an instant, that instant included.

        Raises:
            SteppedBackError: a reader saw time run backwards.
        """
        target = plan.target
        if target is None or plan.generation != self._generation:
            self._generation = plan.generation
            self._steering.forget()
            self._served = None
        while self._next_ns <= raw_ns:
            now_ns, self._next_ns = self._next_ns, self._next_ns + PERIOD_NS
            if target is not None:
                utc_ns = now_ns + target.offset_ns + round(target.rate * (now_ns - target.raw_ns))
                self._publish(self._steering.steer(now_ns, utc_ns, target.rate))

    def offset_at(self, raw_ns: int) -> int | None:
        """Served UTC - RAW in ns as a reader sees it; ``None`` while no time is served."""
        return None if self._served is None else self._served.utc_at(raw_ns) - raw_ns

    def _publish(self, served: Served) -> None:
        before, self._served = self._served, served
        if served.stepped:
            self.steps += before is not None
        elif before is not None:
            # What a reader saw a nanosecond earlier, by the record that this one replaces.
            seen_ns = before.utc_at(served.raw_ns - 1)
            if served.utc_ns < seen_ns:
                raise SteppedBackError(served.raw_ns, seen_ns - served.utc_ns)
