"""The hard bound: where true time must be if the assumptions hold, whatever the models say.

Assumptions: a selected server's own time is within its root delay/2 + root dispersion; each way of
an exchange took no less than no time, so that an offset errs by at most delay/2 (RFC 5905, section
11.2); the oscillator's frequency stays within the configured distance of its estimate.

Each source keeps the running intersection of its intervals, aged by what the frequency can have
been; the bound is the intersection over the selected sources.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from chronotick.clock.state import ClockState
from chronotick.ntp.measurement import Measurement

SIGMAS = 3.0  # of the frequency estimate, on top of the configured drift


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Limits of UTC - RAW at an instant, and how they move from there on.

    Attributes:
        raw_ns: the instant.
        low_ns, high_ns: limits of the offset in ns.
        low_rate, high_rate: lowest and highest frequency the oscillator can have.
    """

    raw_ns: int
    low_ns: int
    high_ns: int
    low_rate: float
    high_rate: float

    def at(self, raw_ns: int) -> Interval:
        """Return the interval carried to another instant, rounded outwards."""
        age = raw_ns - self.raw_ns
        slow, fast = self.low_rate, self.high_rate
        if age < 0:
            slow, fast = fast, slow
        return Interval(
            raw_ns=raw_ns,
            low_ns=self.low_ns + math.floor(slow * age),
            high_ns=self.high_ns + math.ceil(fast * age),
            low_rate=self.low_rate,
            high_rate=self.high_rate,
        )


class HardBound:
    """Keeps the interval that true time must lie in.

    Args:
        max_drift: how far the frequency may be from its estimate (s/s).
        max_frequency_error: how far it may be from nominal before there is an estimate (s/s).
    """

    def __init__(self, max_drift: float, max_frequency_error: float) -> None:
        self._max_drift = max_drift
        self._max_frequency_error = max_frequency_error
        self._rates = (-max_frequency_error, max_frequency_error)
        self._intervals: dict[str, Interval] = {}
        self.contradictions = 0

    def update(self, measurement: Measurement, state: ClockState | None) -> None:
        """Narrow a source's interval by a new measurement; ``state`` limits the frequency.

        A measurement that contradicts its own source's past replaces it: the server has changed.

        Args:
            measurement: of a believed source.
            state: the estimate at the measurement, which it has seen; ``None``: there is none.
        """
        past, half = self._intervals.get(measurement.source), measurement.root_distance_ns
        low, high = measurement.offset_ns - half, measurement.offset_ns + half
        if past is not None:
            aged = past.at(measurement.raw_ns)
            both = max(aged.low_ns, low), min(aged.high_ns, high)
            if both[0] <= both[1]:
                low, high = both
            else:
                self.contradictions += 1
        fresh = self._between(measurement.raw_ns, low, high)
        self._intervals[measurement.source] = fresh
        slow, fast = self._rates = self._rate_limits(state)
        self._intervals[measurement.source] = replace(fresh, low_rate=slow, high_rate=fast)

    def at(self, raw_ns: int, sources: Collection[str]) -> Interval | None:
        """Return the bound at ``raw_ns`` from the given sources; ``None`` without a measurement.

        Where the sources contradict each other it is the hull of all their intervals: wide, but
        true as long as one of them is honest.
        """
        aged = [self._intervals[s].at(raw_ns) for s in sources if s in self._intervals]
        if not aged:
            return None
        low, high = max(i.low_ns for i in aged), min(i.high_ns for i in aged)
        if low > high:
            low, high = min(i.low_ns for i in aged), max(i.high_ns for i in aged)
        low_rate, high_rate = min(i.low_rate for i in aged), max(i.high_rate for i in aged)
        return Interval(
            raw_ns=raw_ns, low_ns=low, high_ns=high, low_rate=low_rate, high_rate=high_rate
        )

    def drop(self, source: str) -> None:
        """Forget the interval of a source that is gone."""
        self._intervals.pop(source, None)

    def forget(self) -> None:
        """Drop everything: the clock was disrupted, past measurements say nothing of it."""
        self._intervals.clear()
        self._rates = (-self._max_frequency_error, self._max_frequency_error)

    def snapshot(self) -> dict[str, Any]:
        """Return the intervals as JSON types."""
        return {
            source: [i.raw_ns, i.low_ns, i.high_ns, i.low_rate, i.high_rate]
            for source, i in self._intervals.items()
        }

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Take up a snapshot.

        Raises:
            ValueError: it is damaged.
        """
        try:
            self._intervals = {source: _restored(values) for source, values in snapshot.items()}
        except (TypeError, ValueError) as error:
            raise ValueError(f"the saved bound is damaged: {error}") from error

    def _rate_limits(self, state: ClockState | None) -> tuple[float, float]:
        """What the frequency can be: near the estimate, unless that is impossible itself.

        An estimate led astray (by a few measurements with long queues) states too small a variance;
        it is known by a frequency beyond the configured limit, or an offset outside the bound.
        """
        least, most = -self._max_frequency_error, self._max_frequency_error
        if state is None or not least <= state.frequency <= most or self._is_astray(state):
            return least, most
        margin = self._max_drift + SIGMAS * math.sqrt(state.var_frequency)
        return max(least, state.frequency - margin), min(most, state.frequency + margin)

    def _is_astray(self, state: ClockState) -> bool:
        """Whether an estimate contradicts the interval of any source."""
        aged = [interval.at(state.raw_ns) for interval in self._intervals.values()]
        unsure_ns = SIGMAS * math.sqrt(state.var_offset) * 1e9
        return any(
            not each.low_ns - unsure_ns <= state.offset_ns <= each.high_ns + unsure_ns
            for each in aged
        )

    def _between(self, raw_ns: int, low_ns: int, high_ns: int) -> Interval:
        low_rate, high_rate = self._rates
        return Interval(
            raw_ns=raw_ns, low_ns=low_ns, high_ns=high_ns, low_rate=low_rate, high_rate=high_rate
        )


def _restored(values: Sequence[float]) -> Interval:
    raw_ns, low_ns, high_ns, low_rate, high_rate = values
    return Interval(
        raw_ns=int(raw_ns),
        low_ns=int(low_ns),
        high_ns=int(high_ns),
        low_rate=float(low_rate),
        high_rate=float(high_rate),
    )
