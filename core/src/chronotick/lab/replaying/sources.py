"""Recorded servers, as the clockwork sees live ones."""

from __future__ import annotations

import statistics
from collections import Counter, deque
from dataclasses import dataclass, field

from chronotick.config.schema import ClockMeasurement
from chronotick.lab.recordings.recording import Arrival
from chronotick.lab.replaying.traced import NextPoll, Unanswered
from chronotick.ntp.report import SourceReport
from chronotick.ntp.selection import Limits, Reason, Selection
from chronotick.ntp.selector import Selector

NS_PER_S = 1_000_000_000
INTERVALS = 3  # of which the median is a source's present poll interval: one odd one does not count
BURST = 8  # questions in quick succession at most (ntpd's iburst): more of them are a habit
UNKNOWN_POLL_S = 64.0  # before any interval was seen: 2^MINPOLL, where RFC 5905's clients begin
PATIENCE = 1.5  # poll intervals after which a question counts as unanswered
REACH_BITS = 8  # questions in a row that make a source unreachable; later ones change nothing


@dataclass(slots=True)
class _Habit:
    """When one source answers."""

    shortest_s: float
    newest_ns: int
    intervals_s: deque[float] = field(default_factory=lambda: deque(maxlen=INTERVALS))
    quick: int = 0
    reach: int = 1
    missed: int = 0
    told_poll_s: float | None = None

    @property
    def poll_s(self) -> float:
        """The present poll interval, as the last answers show it."""
        if self.told_poll_s is not None:
            return self.told_poll_s
        known = self.intervals_s or (UNKNOWN_POLL_S,)
        return max(statistics.median(known), self.shortest_s)

    @property
    def next_miss_ns(self) -> int | None:
        """When the next question counts as unanswered; ``None``: that would be nothing new."""
        if self.missed >= REACH_BITS:
            return None
        return self.newest_ns + round((PATIENCE + self.missed) * self.poll_s * NS_PER_S)

    def answered(self, raw_ns: int) -> None:
        interval_s = (raw_ns - self.newest_ns) * 1e-9
        # A burst says nothing of when the next question is due: the pause after it was holdover.
        self.quick = self.quick + 1 if interval_s < self.shortest_s / 2 else 0
        if not 0 < self.quick < BURST:
            self.intervals_s.append(interval_s)
        self.newest_ns, self.missed = raw_ns, 0
        self._shift(answered=True)

    def unanswered(self) -> None:
        self.missed += 1
        self._shift(answered=False)

    def _shift(self, *, answered: bool) -> None:
        self.reach = (self.reach << 1 | answered) & (1 << REACH_BITS) - 1


class RecordedSources:
    """Selection over a recording; satisfies :class:`chronotick.daemon.clockwork.Sources`.

    A recording holds answers only. That a question stayed without one is seen as the daemon sees
    it, when it is missing: one poll interval after the last answer and half of one of patience.

    Args:
        configured: limits and intervals.
        is_told: questions without an answer, and poll intervals, are told; none is inferred.

    Attributes:
        next_miss_ns: RAW time at which the next question counts as unanswered; ``None``: none will.
        too_slow: answers not accepted for their delay, by source.
        reasons: why each source was used or not at its answers, counted.
    """

    def __init__(self, configured: ClockMeasurement, *, is_told: bool = False) -> None:
        ntp = configured.ntp
        limits = Limits(
            max_distance_ns=round(ntp.max_acceptable_uncertainty * NS_PER_S),
            min_stratum=ntp.min_stratum,
            max_stratum=ntp.max_stratum,
            min_sources=ntp.min_sources,
            authentication=ntp.authentication,
        )
        self._selector = Selector(limits)
        self._shortest_s = configured.timing.normal_operation.measurement_interval
        self._max_delay_ns = round(ntp.max_delay * NS_PER_S)
        self._is_told = is_told
        self._habits: dict[str, _Habit] = {}
        self._selection = Selection()
        self._reports: list[SourceReport] | None = None
        self.next_miss_ns: int | None = None
        self.too_slow: Counter[str] = Counter()
        self.reasons: dict[str, Counter[Reason]] = {}

    def arrive(self, arrival: Arrival) -> bool:
        """Take in an answer; return whether it is accepted (its delay is not too long)."""
        source = arrival.measurement.source
        if arrival.measurement.delay_ns > self._max_delay_ns:
            self.too_slow[source] += 1
            return False
        if source in self._habits:
            self._habits[source].answered(arrival.raw_ns)
        else:
            self._habits[source] = _Habit(self._shortest_s, arrival.raw_ns)
        self._selector.take(arrival.measurement)
        self._select(arrival.raw_ns)
        self.reasons.setdefault(source, Counter())[self._selection.reasons[source]] += 1
        return True

    def miss(self, raw_ns: int) -> None:
        """Count the questions that are unanswered by now."""
        for source, habit in self._habits.items():
            due_ns = habit.next_miss_ns
            if due_ns is not None and due_ns <= raw_ns:
                habit.unanswered()
                self._selector.missed(source)
        self._select(raw_ns)

    def told(self, happening: Unanswered | NextPoll) -> None:
        """Take in what a trace tells of a source."""
        habit = self._habits.get(happening.source)
        if isinstance(happening, NextPoll):
            if habit is not None:
                habit.told_poll_s = happening.poll_s
                self._reports = None
            return
        if habit is not None:
            habit.unanswered()
        self._selector.missed(happening.source, refused=happening.refused)
        self._select(happening.raw_ns)

    def selected(self) -> Selection:
        """Return who is believed."""
        return self._selection

    def sources(self) -> list[SourceReport]:
        """Describe every source."""
        if self._reports is None:
            self._reports = [
                SourceReport(
                    id=source,
                    name=source,
                    reason=self._selection.reasons[source],
                    poll_s=habit.poll_s,
                    reach=habit.reach,
                )
                for source, habit in self._habits.items()
            ]
        return self._reports

    def feedback(self, source: str, normalised_innovation: float) -> None:
        """Do nothing: when the servers were asked is history."""

    def burst(self, *, forget: bool = False) -> None:
        """Drop the samples if told to; more cannot be asked for."""
        if forget:
            self._selector.forget()

    def _select(self, raw_ns: int) -> None:
        self._selection = self._selector.select(raw_ns)
        self._reports = None
        if self._is_told:
            return
        due = (habit.next_miss_ns for habit in self._habits.values())
        self.next_miss_ns = min((ns for ns in due if ns is not None), default=None)
