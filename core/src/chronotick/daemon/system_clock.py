"""What others do to the system clock: it is set, or it is slewed. Served time follows neither."""

from __future__ import annotations

import logging
from typing import Final

from chronotick.clock import HostClocks

STEP_NS: Final = 1_000_000  # a jump of CLOCK_REALTIME against RAW that no slewing explains
MAX_SLEW: Final = 2e-3  # fastest slew by anyone (adjtime: 500 ppm; some daemons more)
RATE_SPAN_NS: Final = 4_000_000_000  # over which the rate is taken: readings are 1 us wrong at most

_log = logging.getLogger("chronotick.daemon")


class SystemClock:
    """Watches CLOCK_REALTIME against CLOCK_MONOTONIC_RAW, from reading to reading.

    Attributes:
        steps: how often it was set.
        rate: d(REALTIME)/d(RAW) - 1 over some seconds: what whoever slews it makes of it. ``None``
            before the first, and after a step.
    """

    def __init__(self) -> None:
        self.steps = 0
        self.rate: float | None = None
        self._before: HostClocks | None = None
        self._began: HostClocks | None = None  # where the rate is taken from

    def look(self, clocks: HostClocks) -> None:
        """Compare the clocks with how they were before."""
        before, self._before = self._before, clocks
        if before is None or self._began is None or self._jumped(before, clocks):
            self._began, self.rate = clocks, None
        elif (passed := clocks.raw_ns - self._began.raw_ns) >= RATE_SPAN_NS:
            self.rate = _moved_ns(self._began, clocks) / passed
            self._began = clocks

    def _jumped(self, before: HostClocks, clocks: HostClocks) -> bool:
        """Whether the clock did not run; what the host slept is no step of somebody's."""
        slept_ns = clocks.suspended_ns - before.suspended_ns
        has_slept = clocks.slept_since(before.suspended_ns)
        jump_ns = _moved_ns(before, clocks) - (slept_ns if has_slept else 0)
        if abs(jump_ns) <= STEP_NS + MAX_SLEW * (clocks.raw_ns - before.raw_ns):
            return has_slept
        self.steps += 1
        _log.warning(
            "system clock stepped by %+.6f s by someone; served time does not move", jump_ns * 1e-9
        )
        return True


def _moved_ns(before: HostClocks, after: HostClocks) -> int:
    """How far CLOCK_REALTIME moved against RAW."""
    return (after.system_ns - before.system_ns) - (after.raw_ns - before.raw_ns)
