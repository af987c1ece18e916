"""What the answers of a method are worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from chronotick.lab.ordering.bootstrap import Ranged, Resamples
from chronotick.lab.ordering.events import Events, Numbers
from chronotick.lab.ordering.settings import Settings
from chronotick.lab.ordering.stamps import Stamped
from chronotick.lab.ordering.truetime import Vector
from chronotick.lab.ordering.verdicts import AFTER, UNKNOWN, Marks, Verdicts

PER_DECADE = 2
WAIT_QUANTILES = (0.5, 0.99)


@dataclass(frozen=True, slots=True, kw_only=True)
class PointScore:
    """Order by comparing corrected stamps, without intervals.

    Attributes:
        method: it.
        wrong: share of pairs in the wrong order.
        wrong_by_separation: the same in each bin of `separations`.
        rms_s, p95_s: of the stamps' errors.
    """

    method: str
    wrong: Ranged
    wrong_by_separation: tuple[Ranged, ...]
    rms_s: float
    p95_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalScore:
    """Order by the intervals of one level.

    Attributes:
        method: it.
        level: the confidence, or ``bound``.
        nominal: share of false orders that the level allows.
        definite: share of pairs with an answer.
        false: share of false ones among the definite answers.
        false_of_all: share of false answers among all pairs, which is what the level limits.
        false_orders: how many.
        false_by_separation, unknown_by_separation: false ones among the definite answers, and pairs
            without an answer, in each bin of `separations`.
        missed: share of stamps whose interval does not hold true time.
        missed_by_node: the same on each node, by its name.
        half_s: median of the intervals' half-widths; infinite where there are none.
        own_wait_s: median and p99 of the wait until an event's own node knows that it is past.
        early: share of these waits that end before the event's latest time is really past.
        wait_s: median and p99 of the wait until every node knows.
    """

    method: str
    level: str
    nominal: float
    definite: Ranged
    false: Ranged
    false_of_all: Ranged
    false_orders: int
    false_by_separation: tuple[Ranged, ...]
    unknown_by_separation: tuple[Ranged, ...]
    missed: Ranged
    missed_by_node: dict[str, float]
    half_s: float
    own_wait_s: tuple[Ranged, ...]
    early: Ranged
    wait_s: tuple[Ranged, ...]


def separations(settings: Settings) -> tuple[float, ...]:
    """Limits of the bins of separation in s: `PER_DECADE` of them, on a logarithmic grid."""
    decades = float(np.log10(settings.most_s / settings.least_s))
    count = max(round(PER_DECADE * decades), 1)
    return tuple(map(float, np.geomspace(settings.least_s, settings.most_s, count + 1)))


class Scoring:
    """Scores several methods' answers to the same events.

    Args:
        events: they.
        names: of the nodes.
        settings: of the study.
    """

    def __init__(self, events: Events, names: Sequence[str], settings: Settings) -> None:
        self._events = events
        self._names = names
        self._again = Resamples(len(events.pairs), settings.bootstrap, settings.seed)
        inner = np.array(separations(settings)[1:-1])
        self._bin = np.searchsorted(inner, events.separation_s, side="right")
        self._bins = len(inner) + 1

    def points(self, method: str, stamped: Stamped) -> PointScore:
        """Score corrected stamps alone."""
        wrong = stamped.gap_ns <= 0
        errors_s = np.concatenate([stamped.first.error_ns, stamped.second.error_ns]) * 1e-9
        return PointScore(
            method=method,
            wrong=self._share(wrong, np.ones_like(wrong)),
            wrong_by_separation=self._by_separation(wrong, np.ones_like(wrong)),
            rms_s=float(np.sqrt(np.mean(np.square(errors_s)))),
            p95_s=float(np.quantile(np.abs(errors_s), 0.95)),
        )

    def intervals(
        self, method: str, level: str, nominal: float, verdicts: Verdicts
    ) -> IntervalScore:
        """Score the intervals of a level."""
        false, unknown = verdicts.order == AFTER, verdicts.order == UNKNOWN
        every = np.ones_like(unknown)
        return IntervalScore(
            method=method,
            level=level,
            nominal=nominal,
            definite=self._share(~unknown, every),
            false=self._share(false, ~unknown),
            false_of_all=self._share(false, every),
            false_orders=int(np.count_nonzero(false)),
            false_by_separation=self._by_separation(false, ~unknown),
            unknown_by_separation=self._by_separation(unknown, every),
            missed=self._share(verdicts.missed, np.ones_like(verdicts.missed)),
            missed_by_node=self._by_node(verdicts.missed),
            half_s=float(np.quantile(verdicts.half_ns, 0.5, method="lower")) * 1e-9,
            own_wait_s=self._waits(verdicts.own_wait_ns),
            early=self._share(verdicts.early, np.ones_like(verdicts.early)),
            wait_s=self._waits(verdicts.wait_ns),
        )

    def _share(self, counted: Marks, among: Marks, which: Marks | slice = slice(None)) -> Ranged:
        """A share of events (or of both stamps of all), resampled by their pair."""
        tops, bottoms = (np.atleast_2d(each).sum(axis=0, dtype=float) for each in (counted, among))
        pair = self._events.pair[: len(tops)]
        return self._again.share(tops[which], bottoms[which], pair[which])

    def _by_separation(self, counted: Marks, among: Marks) -> tuple[Ranged, ...]:
        return tuple(
            self._share(counted, among, self._bin == number) for number in range(self._bins)
        )

    def _by_node(self, missed: Marks) -> dict[str, float]:
        nodes = np.stack([self._events.first_node, self._events.second_node])
        return {name: _mean(missed[nodes == number]) for number, name in enumerate(self._names)}

    def _waits(self, waits_ns: Vector) -> tuple[Ranged, ...]:
        pair: Numbers = self._events.pair[: len(waits_ns)]
        return tuple(self._again.quantiles(waits_ns * 1e-9, pair, WAIT_QUANTILES))


def _mean(marks: Marks) -> float:
    return float(marks.mean()) if marks.size else float("nan")
