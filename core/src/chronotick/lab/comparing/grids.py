"""How contexts are sampled for which horizons, and from which instants models look ahead."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NS_PER_S = 1_000_000_000
US_PER_S = 1_000_000
NS_PER_US = 1_000
WINDOWS = 100
"""Origins of a trace, unless it is said how many."""
MOST_ORIGINS = 1_000_000
MOST_STEPS = 64
"""Steps from origin to horizon, at most: what every foundation model forecasts in one pass."""


class TooManyOriginsError(ValueError):
    """Raised for more origins than memory could hold; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A sampling step, and the horizons that are reached with it.

    Attributes:
        step_ns: of contexts and forecasts.
        context: samples in a context.
        steps: from the origin to each horizon, ascending.
    """

    step_ns: int
    context: int
    steps: tuple[int, ...]

    @property
    def horizons_s(self) -> tuple[float, ...]:
        """The horizons in s, as they were asked for."""
        return tuple(round(steps * self.step_ns / NS_PER_S, 6) for steps in self.steps)

    @property
    def reach(self) -> int:
        """Steps to the farthest horizon."""
        return self.steps[-1]


def grids(cadence_s: float, horizons_s: Sequence[float], context: int) -> tuple[Grid, ...]:
    """Choose a step for each horizon; horizons with the same step share a grid.

    The step is the cadence of the measurements, or longer where a horizon would be more than
    :data:`MOST_STEPS` steps away: models are good for tens of steps, not for thousands.

    Args:
        cadence_s: time between measurements.
        horizons_s: how far ahead forecasts are judged.
        context: samples in a context.
    """
    by_step: dict[int, set[int]] = defaultdict(set)
    for horizon_s in horizons_s:
        wanted_s = max(cadence_s, horizon_s / MOST_STEPS)
        steps = max(1, round(horizon_s / wanted_s))
        by_step[round(horizon_s / steps * NS_PER_S)].add(steps)
    return tuple(
        Grid(step_ns=step_ns, context=context, steps=tuple(sorted(by_step[step_ns])))
        for step_ns in sorted(by_step)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Origins:
    """Which instants of a trace models forecast from.

    Attributes:
        warm_up_s: after the first measurement, before the first origin.
        every_s: between origins; ``None``: so that there are about ``windows``.
        windows: how many, at most; ``None``: :data:`WINDOWS`, or with ``every_s`` all.
        exactly_s: these instead, in local time of the trace.
    """

    warm_up_s: float = 7200.0
    every_s: float | None = None
    windows: int | None = None
    exactly_s: tuple[float, ...] = ()

    def of(self, first_ns: int, last_ns: int, cadence_s: float, since_ns: int) -> NDArray[np.int64]:
        """Local times in ns, ascending; the same whatever models and horizons are asked for.

        They are whole microseconds, which a float holds well enough to name an origin by.

        Args:
            first_ns: local time of the first measurement.
            last_ns: of the last.
            cadence_s: between measurements; origins are no closer.
            since_ns: none is before.

        Raises:
            TooManyOriginsError: nobody said how many, and there are far too many.
        """
        if self.exactly_s:
            exactly = (round(at * US_PER_S) * NS_PER_US for at in self.exactly_s)
            found = np.unique(np.fromiter(exactly, dtype=np.int64))
            return found[found >= since_ns]
        begin_ns = max(first_ns + round(self.warm_up_s * NS_PER_S), since_ns)
        begin_ns += -begin_ns % NS_PER_US
        span_s = max(last_ns - begin_ns, 0) / NS_PER_S
        most = self.windows or WINDOWS
        every_s = self.every_s or max(span_s / most, cadence_s)
        every_ns = max(round(every_s * US_PER_S), 1) * NS_PER_US
        all_of_them = self.every_s is not None and self.windows is None
        if all_of_them and span_s > MOST_ORIGINS * every_s:
            raise TooManyOriginsError(
                f"there would be {span_s / every_s:,.0f} windows. Lengthen --every, or say how "
                "many with --windows"
            )
        end_ns = last_ns if all_of_them else min(last_ns, begin_ns + most * every_ns)
        return np.arange(begin_ns, end_ns, every_ns, dtype=np.int64)
