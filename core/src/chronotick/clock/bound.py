"""The hard bound: where true time must be if the assumptions hold, whatever the models say.

Assumptions: an honest server's own time is within its root delay/2 + root dispersion; each way of
an exchange took no less than no time, so that an offset errs by at most delay/2 (RFC 5905, section
11.2); the oscillator's frequency stays within the configured distance of its estimate.

Each source keeps the running intersection of its intervals, aged by what the frequency can have
been. The bound reaches over all that the intervals of a majority of the sources share: while more
than half are honest it contains the truth, wherever the others put theirs. Their plain intersection
does not, since a liar may well agree with everybody: whoever claims a short round trip has a narrow
interval that fits into all others, beside the truth.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from chronotick.clock.state import ClockState
from chronotick.ntp.marzullo import hull
from chronotick.ntp.measurement import Measurement

SIGMAS = 3.0  # of the frequency estimate, on top of the configured drift
_LARGEST_NS = 1 << 63  # of a saved state: what is larger was damaged


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
        max_falsetickers: how many sources may lie at once; ``None``: any minority of them.

    Attributes:
        max_falsetickers: the same; it may be set at any time.
        voters: the sources whose intervals count; ``None``: all that were measured.
        contradictions: how often a source contradicted itself.
    """

    def __init__(
        self, max_drift: float, max_frequency_error: float, max_falsetickers: int | None = None
    ) -> None:
        self._max_drift = max_drift
        self._max_frequency_error = max_frequency_error
        self.max_falsetickers = max_falsetickers
        self.voters: frozenset[str] | None = None
        self._rates = (-max_frequency_error, max_frequency_error)
        self._intervals: dict[str, Interval] = {}
        self._doubted: set[str] = set()
        self.contradictions = 0

    def update(self, measurement: Measurement, state: ClockState | None) -> None:
        """Narrow a source's interval by a new measurement; ``state`` limits the frequency.

        A measurement that contradicts its own source's past replaces it: the server has changed.

        Args:
            measurement: of any source.
            state: the estimate at the measurement, which it has seen; ``None``: there is none.
        """
        source, half = measurement.source, measurement.root_distance_ns
        past = None if source in self._doubted else self._intervals.get(source)
        self._doubted.discard(source)
        low, high = measurement.offset_ns - half, measurement.offset_ns + half
        if past is not None:
            aged = past.at(measurement.raw_ns)
            both = max(aged.low_ns, low), min(aged.high_ns, high)
            if both[0] <= both[1]:
                low, high = both
            else:
                self.contradictions += 1
        fresh = self._between(measurement.raw_ns, low, high)
        self._intervals[source] = fresh
        slow, fast = self._rates = self._rate_limits(state)
        self._intervals[source] = replace(fresh, low_rate=slow, high_rate=fast)

    def at(self, raw_ns: int) -> Interval | None:
        """Return the bound at ``raw_ns``; ``None`` while most of the voters are unmeasured.

        (Since the start, that is, or since everything was forgotten.)
        Where fewer agree than should, it is what most of them share; where nobody agrees with
        anybody, the hull of all: wide, but true as long as one of them is honest. That is judged
        when the newest of them was measured: with age, any two come to overlap.
        """
        counts, known = self.voters, self._intervals.items()
        told = [each for source, each in known if counts is None or source in counts]
        if 2 * len(told) <= len(known if counts is None else counts):
            return None
        newest_ns = max(each.raw_ns for each in told)
        agreeing, _ = _shared(told, newest_ns, self._quorum(len(told)))
        _, (low, high) = _shared(told, raw_ns, agreeing)
        aged = [each.at(raw_ns) for each in told]
        low_rate, high_rate = min(i.low_rate for i in aged), max(i.high_rate for i in aged)
        return Interval(
            raw_ns=raw_ns, low_ns=low, high_ns=high, low_rate=low_rate, high_rate=high_rate
        )

    def _quorum(self, count: int) -> int:
        """How many of so many sources are honest at least."""
        minority = (count - 1) // 2
        wrong = self.max_falsetickers
        return count - (minority if wrong is None else min(wrong, minority))

    def doubt(self, sources: Iterable[str]) -> None:
        """Let what liars say next replace what they said: honest again, they are not held to it."""
        self._doubted.update(sources)

    def drop_before(self, raw_ns: int) -> None:
        """Forget sources that were measured last before an instant: pools replace theirs."""
        self._intervals = {s: each for s, each in self._intervals.items() if each.raw_ns >= raw_ns}
        self._doubted &= self._intervals.keys()

    def forget(self) -> None:
        """Drop everything: the clock was disrupted, past measurements say nothing of it."""
        self._intervals.clear()
        self._doubted.clear()
        self._rates = (-self._max_frequency_error, self._max_frequency_error)

    def snapshot(self) -> dict[str, Any]:
        """Return voters and intervals as JSON types."""
        return {
            "voters": None if self.voters is None else sorted(self.voters),
            "doubted": sorted(self._doubted),
            "intervals": {
                source: [i.raw_ns, i.low_ns, i.high_ns, i.low_rate, i.high_rate]
                for source, i in self._intervals.items()
            },
        }

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Take up a snapshot.

        Raises:
            ValueError: it is damaged.
        """
        try:
            intervals = {s: _restored(values) for s, values in snapshot["intervals"].items()}
            counts = snapshot["voters"]
            voters = None if counts is None else frozenset(map(str, counts))
            doubted = set(map(str, snapshot["doubted"]))
        except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
            raise ValueError(f"the saved bound is damaged: {error!r}") from error
        self._intervals, self.voters, self._doubted = intervals, voters, doubted

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
        """Whether an estimate contradicts the bound."""
        limits, unsure_ns = self.at(state.raw_ns), SIGMAS * math.sqrt(state.var_offset) * 1e9
        return limits is not None and not (
            limits.low_ns - unsure_ns <= state.offset_ns <= limits.high_ns + unsure_ns
        )

    def _between(self, raw_ns: int, low_ns: int, high_ns: int) -> Interval:
        low_rate, high_rate = self._rates
        return Interval(
            raw_ns=raw_ns, low_ns=low_ns, high_ns=high_ns, low_rate=low_rate, high_rate=high_rate
        )


def _shared(told: Sequence[Interval], raw_ns: int, most: int) -> tuple[int, tuple[int, int]]:
    """How many intervals, ``most`` at most, share something at an instant, and the hull of that."""
    aged = [each.at(raw_ns) for each in told]
    intervals = [(each.low_ns, each.high_ns) for each in aged]
    found = ((count, hull(intervals, count)) for count in range(most, 0, -1))
    return next((count, ends) for count, ends in found if ends is not None)


def _restored(values: Sequence[float]) -> Interval:
    raw_ns, low_ns, high_ns = map(int, values[:3])
    low_rate, high_rate = map(float, values[3:])
    if not (-_LARGEST_NS < low_ns <= high_ns < _LARGEST_NS and abs(raw_ns) < _LARGEST_NS):
        raise ValueError("limits are none")
    if not -1.0 < low_rate <= high_rate < 1.0:  # written so that NaN fails
        raise ValueError("rates are none")
    return Interval(
        raw_ns=raw_ns, low_ns=low_ns, high_ns=high_ns, low_rate=low_rate, high_rate=high_rate
    )
