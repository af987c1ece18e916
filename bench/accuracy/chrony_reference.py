"""How the model of chrony chooses among servers, combines them and keeps its clock."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from chrony_source import MAX_CLOCK_ERROR, Interval, Sample, Source

MAX_DISTANCE_S = 3.0
MAX_JITTER_S = 1.0
RESELECT_DISTANCE_S = 1e-4
COMBINE_LIMIT = 3.0
SCORE_LIMIT = 10.0
DISTANT_FOR = 32
REGISTER = 8
"""Bits of the register of reachability."""
MAX_UPDATE_SKEW = 1e-4
"""What distributions configure, and what the recorded worlds show in their first minutes; the
compiled-in value is 1e-3. It matters in those only."""
FIRST_SKEW = 1.0
INERTIA = 3.0

Intervals = Mapping[str, Interval]


@dataclass(frozen=True, slots=True)
class Update:
    """Where the clock is believed to be from some time on.

    Attributes:
        time_s: local time.
        offset_s: true time - local clock then.
        frequency: how fast it grows.
    """

    time_s: float
    offset_s: float
    frequency: float


@dataclass(frozen=True, slots=True)
class Tracking:
    """What the servers together say at the time of an update."""

    offset_s: float
    frequency: float
    skew: float


class Candidate:
    """A server, and how it stands in the selection.

    Attributes:
        source: its history.
        news: samples since the last update of the clock.
        score: how much nearer than the selected one it was lately.
        distant: so many updates go by without it.
    """

    def __init__(self) -> None:
        self.source = Source()
        self.news = 0
        self.score = 1.0
        self.distant = 0


class Chrony:
    """All servers, the choice among them, and the clock.

    Args:
        sources: in the order of the configuration, which decides ties.
    """

    def __init__(self, sources: Iterable[str]) -> None:
        self._candidates = {name: Candidate() for name in sources}
        self._selected: str | None = None
        self._clock = Clock()

    def take(self, sample: Sample) -> Update | None:
        """Learn from a sample; where the clock is from then on, if that changed it."""
        candidate = self._candidates[sample.source]
        if not candidate.source.take(sample):
            return None
        candidate.news += 1
        intervals = self._intervals(sample.arrived_s)
        admissible = self._admissible(intervals)
        if not admissible:
            self._selected = None
            return None
        self._score(sample.source, intervals, admissible)
        selected = self._selected = self._choice(admissible)
        if selected is None or not self._candidates[selected].news:
            return None
        for each in self._candidates.values():
            each.news = 0
        tracking = self._combined(sample.arrived_s, selected, intervals, admissible)
        return self._clock.adjust(sample.arrived_s, tracking)

    def _intervals(self, now_s: float) -> Intervals:
        return {
            name: candidate.source.interval(now_s)
            for name, candidate in self._candidates.items()
            if candidate.source.line is not None
        }

    def _admissible(self, intervals: Intervals) -> list[str]:
        """The servers that agree with the majority; none: no majority, or not yet."""
        usable = {
            name: interval
            for name, interval in intervals.items()
            if interval.distance_s <= MAX_DISTANCE_S
            and self._candidates[name].source.sd_s <= MAX_JITTER_S
        }
        return [] if not usable or self._is_early(usable) else agreeing(usable)

    def _is_early(self, usable: Intervals) -> bool:
        """At the start, the servers that are only one reply behind are waited for."""
        if self._selected is not None:
            return False
        sources = {name: each.source for name, each in self._candidates.items()}
        most = max(sources[name].replies for name in usable)
        behind = [source.replies for source in sources.values() if source.line is None]
        return most < REGISTER and bool(behind) and max(behind) == most - 1

    def _score(self, updated: str, intervals: Intervals, admissible: list[str]) -> None:
        """A server that is nearer than the selected one gathers score with their samples."""
        for name, candidate in self._candidates.items():
            if name not in admissible:
                candidate.score, candidate.distant = 1.0, DISTANT_FOR
                continue
            distance_s = intervals[name].distance_s + RESELECT_DISTANCE_S
            if self._selected is None:
                candidate.score = 1 / distance_s
            elif updated in {name, self._selected}:
                ratio = intervals[self._selected].distance_s / distance_s
                candidate.score = max(candidate.score * ratio, 1.0)

    def _choice(self, admissible: list[str]) -> str | None:
        """The selected server, unless it is no more admissible or another is clearly nearer."""
        best = max(admissible, key=lambda name: self._candidates[name].score)
        beaten = best != self._selected and self._candidates[best].score > SCORE_LIMIT
        if self._selected in admissible and not beaten:
            return self._selected
        if not self._candidates[best].news:
            return None
        for candidate in self._candidates.values():
            candidate.score, candidate.distant = 1.0, 0
        return best

    def _combined(
        self, now_s: float, selected: str, intervals: Intervals, admissible: list[str]
    ) -> Tracking:
        """Means of the servers that are near enough: offsets by distance, slopes by variance."""
        if len(admissible) == 1:
            return self._alone(now_s, selected)
        self._find_distant(selected, intervals, admissible)
        near = [name for name in admissible if not self._candidates[name].distant]
        sources = [self._candidates[name].source for name in near]
        at_s = self._candidates[selected].source.line_s
        by_distance = [1 / intervals[name].distance_s for name in near]
        by_variance = [source.frequency_sd**-2 for source in sources]
        offset_s = _mean([source.offset_at(at_s) for source in sources], by_distance)
        frequency = _mean([source.frequency for source in sources], by_variance)
        skew = 1 / math.sqrt(sum(source.skew**-2 for source in sources))
        return Tracking(offset_s + (now_s - at_s) * frequency, frequency, skew)

    def _alone(self, now_s: float, selected: str) -> Tracking:
        source = self._candidates[selected].source
        return Tracking(source.offset_at(now_s), source.frequency, source.skew)

    def _find_distant(self, selected: str, intervals: Intervals, admissible: list[str]) -> None:
        """Those too far away, or of another frequency, stay out for a while."""
        reference = self._candidates[selected].source
        limit_s = COMBINE_LIMIT * (intervals[selected].distance_s + RESELECT_DISTANCE_S)
        for name in admissible:
            candidate = self._candidates[name]
            source = candidate.source
            most = COMBINE_LIMIT * (reference.skew + source.skew + MAX_CLOCK_ERROR)
            is_far = intervals[name].distance_s > limit_s
            differs = abs(reference.frequency - source.frequency) > most
            if name != selected and (is_far or differs):
                candidate.distant = DISTANT_FOR if source.replies >= REGISTER else 1
            elif candidate.distant:
                candidate.distant -= 1


class Clock:
    """Offset and frequency as last adjusted, and how sure of the frequency the model is."""

    def __init__(self) -> None:
        self._frequency = 0.0
        self._skew = FIRST_SKEW

    def adjust(self, now_s: float, tracking: Tracking) -> Update:
        """Take the offset as it is; of the frequency as much as the skews suggest."""
        ours, theirs = INERTIA * self._skew**2, tracking.skew**2
        gain = ours / (ours + theirs) if tracking.skew <= MAX_UPDATE_SKEW else 0.0
        residual = tracking.frequency - self._frequency
        adopted = gain * residual
        extra = math.sqrt(adopted**2 * (1 - gain) + (residual - adopted) ** 2 * gain)
        self._skew += gain * (tracking.skew - self._skew) + extra
        self._frequency += adopted
        return Update(now_s, tracking.offset_s, self._frequency)


def agreeing(intervals: Intervals) -> list[str]:
    """The servers whose intervals hold, or lie in, what most intervals have in common.

    Ends are counted through from above. What is common begins where the most are first open, and
    ends where one of so many last closes.

    Returns:
        In the order of `intervals`; [] if no more than half of them have anything in common.
    """
    ends = sorted(
        end for each in intervals.values() for end in ((-each.high_s, -1), (-each.low_s, 1))
    )
    depth = best = 0
    high_s = low_s = 0.0
    for place, tag in ends:
        if tag > 0 and depth == best:
            low_s = -place
        depth -= tag
        if depth > best:
            best, high_s = depth, -place
    if best <= len(intervals) // 2:
        return []
    return [
        name
        for name, each in intervals.items()
        if (each.high_s >= high_s and each.low_s <= low_s)
        or (each.high_s <= high_s and each.low_s >= low_s)
    ]


def _mean(values: list[float], weights: list[float]) -> float:
    return sum(v * w for v, w in zip(values, weights, strict=True)) / sum(weights)
