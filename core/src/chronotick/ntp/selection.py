"""Whom to believe: from every source's best sample to the survivors (RFC 5905, section 11.2).

Pure functions. A source is sorted out, with one letter for the reason as chrony's ``selectdata``
gives one, in this order:

1. it cannot be used: ``K`` refused service, ``?`` unreachable, ``.`` not measured yet, ``S``
   stratum not wanted, ``d`` root distance too large;
2. *intersection* (Marzullo's algorithm): the true time lies within offset ± root distance of every
   honest source. The moment that most intervals share must be shared by **more than half** of them,
   otherwise nobody is believed (``m``). Whoever does not contain it lies (``x``);
3. *minimum*: fewer agreeing sources than configured are not believed (``W``);
4. *cluster*: of more than three survivors, the one furthest from the others is dropped (``~``)
   while that distance, not the sources' own jitter, dominates;
5. the survivors are used (``+``); the one with the lowest stratum and root distance leads (``*``).

So one lonely source is believed (unless a minimum is configured), of two that contradict each
other neither is, and of three the two that agree. Unlike RFC 5905's appendix, and like chrony, a
source needs only its *interval* to contain the shared moment, not its midpoint: a distant server
whose route is asymmetric is honest within its bound, and must not be called a liar for it.

Combining the survivors is the estimator's business. There is no loop detection: what is measured is
CLOCK_MONOTONIC_RAW, which ChronoTick neither steers nor serves, so no server can follow it.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import final

CLUSTER_MINIMUM = 3
"""Survivors that clustering leaves at least (RFC 5905, NMIN)."""
_STRATUM_WEIGHT_NS = 1_500_000_000  # RFC 5905, MAXDIST: stratum decides before root distance


@final
class Reason(str, enum.Enum):
    """Why a source is used, or not: one letter."""

    words: str

    def __new__(cls, letter: str, words: str) -> Reason:
        """Keep the explanation beside the letter."""
        member = str.__new__(cls, letter)
        member._value_ = letter
        member.words = words
        return member

    BEST = "*", "used, and the best"
    USED = "+", "used"
    CLUSTERED_OUT = "~", "agrees, but scatters more than the others"
    TOO_FEW = "W", "waits until min_sources agree"
    FALSETICKER = "x", "contradicts the majority"
    NO_MAJORITY = "m", "no majority: the sources contradict each other"
    DISTANCE = "d", "root distance above max_acceptable_uncertainty"
    STRATUM = "S", "stratum outside min_stratum to max_stratum"
    NOT_MEASURED = ".", "not measured yet"
    UNREACHABLE = "?", "no valid reply to the last questions"
    KISS = "K", "the server refuses service"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A source as selection sees it.

    Attributes:
        source: identifier.
        unusable: a reason found before, None where the source has a current sample.
        stratum: the server's stratum.
        offset_ns: UTC - CLOCK_MONOTONIC_RAW, now.
        root_distance_ns: hard bound of the offset's error, now.
        jitter_ns: scatter of the source's own samples.
    """

    source: str
    unusable: Reason | None = None
    stratum: int = 0
    offset_ns: int = 0
    root_distance_ns: int = 0
    jitter_ns: int = 0

    @property
    def low_ns(self) -> int:
        """Lower end of the correctness interval."""
        return self.offset_ns - self.root_distance_ns

    @property
    def high_ns(self) -> int:
        """Upper end of the correctness interval."""
        return self.offset_ns + self.root_distance_ns

    @property
    def metric(self) -> int:
        """Rank among survivors, lowest first."""
        return self.stratum * _STRATUM_WEIGHT_NS + self.root_distance_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Configured conditions.

    Attributes:
        max_distance_ns: largest root distance of a usable source.
        min_stratum: lowest stratum accepted.
        max_stratum: highest stratum accepted.
        min_sources: agreeing sources needed before any is believed.
    """

    max_distance_ns: int = 1_500_000_000
    min_stratum: int = 1
    max_stratum: int = 15
    min_sources: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Who is believed at one moment.

    Attributes:
        raw_ns: the moment, CLOCK_MONOTONIC_RAW.
        reasons: one per source, by identifier.
        survivors: sources used, best first.
        low_ns: lower end of what all truechimers agree on, UTC - RAW; None without survivors.
        high_ns: upper end.
    """

    raw_ns: int = 0
    reasons: Mapping[str, Reason] = field(default_factory=lambda: MappingProxyType({}))
    survivors: tuple[str, ...] = ()
    low_ns: int | None = None
    high_ns: int | None = None

    @property
    def best(self) -> str | None:
        """The leading source, None when nobody is believed."""
        return self.survivors[0] if self.survivors else None

    def uses(self, source: str) -> bool:
        """Whether a source's measurements count."""
        return source in self.survivors


def select(candidates: Iterable[Candidate], limits: Limits, raw_ns: int) -> Selection:
    """Run the whole selection.

    Args:
        candidates: every source, usable or not.
        limits: configured conditions.
        raw_ns: CLOCK_MONOTONIC_RAW of the moment that offsets and distances refer to.
    """
    everyone = list(candidates)
    reasons = {each.source: reason for each in everyone if (reason := _unusable(each, limits))}
    usable = [each for each in everyone if each.source not in reasons]
    shared = intersect(usable)
    chimers = [] if shared is None else [each for each in usable if _contains(each, shared)]
    outcast = Reason.NO_MAJORITY if shared is None else Reason.FALSETICKER
    reasons |= {each.source: outcast for each in usable if each not in chimers}
    if shared is None or len(chimers) < limits.min_sources:
        reasons |= {each.source: Reason.TOO_FEW for each in chimers}
        return Selection(raw_ns=raw_ns, reasons=MappingProxyType(reasons))
    survivors = cluster(chimers, at_least=max(CLUSTER_MINIMUM, limits.min_sources))
    reasons |= {each.source: Reason.CLUSTERED_OUT for each in chimers if each not in survivors}
    reasons |= {each.source: Reason.USED for each in survivors}
    reasons[survivors[0].source] = Reason.BEST
    return Selection(
        raw_ns=raw_ns,
        reasons=MappingProxyType(reasons),
        survivors=tuple(each.source for each in survivors),
        low_ns=shared[0],
        high_ns=shared[1],
    )


def _unusable(candidate: Candidate, limits: Limits) -> Reason | None:
    if candidate.unusable is not None:
        return candidate.unusable
    if not limits.min_stratum <= candidate.stratum <= limits.max_stratum:
        return Reason.STRATUM
    if candidate.root_distance_ns > limits.max_distance_ns:
        return Reason.DISTANCE
    return None


def _contains(candidate: Candidate, shared: tuple[int, int]) -> bool:
    return candidate.low_ns <= shared[0] and shared[1] <= candidate.high_ns


def intersect(candidates: Sequence[Candidate]) -> tuple[int, int] | None:
    """Find what more than half of the correctness intervals share (Marzullo, 1984).

    Where several stretches are shared by equally many, the hull of them is returned: only sources
    that agree with each of the stretches contain it, and no side is taken.

    Returns:
        Lower and upper end (ns), None without a majority.
    """
    # At equal edges the beginnings come first: intervals that touch do share that moment.
    edges = sorted(
        [(each.low_ns, 0) for each in candidates] + [(each.high_ns, 1) for each in candidates]
    )
    depth = deepest = low_ns = high_ns = 0
    for edge_ns, is_end in edges:
        if is_end:
            if depth == deepest:
                high_ns = edge_ns
            depth -= 1
        else:
            depth += 1
            if depth > deepest:
                deepest, low_ns = depth, edge_ns
    return (low_ns, high_ns) if 2 * deepest > len(candidates) else None


def cluster(candidates: Sequence[Candidate], *, at_least: int) -> list[Candidate]:
    """Drop outliers while they, not the sources' own jitter, dominate (section 11.2.2).

    Args:
        candidates: the truechimers.
        at_least: how many are left in any case.

    Returns:
        The survivors, best first.
    """
    survivors = sorted(candidates, key=lambda each: each.metric)
    while len(survivors) > at_least:
        spreads = {each.source: _spread_ns(each, survivors) for each in survivors}
        outlier = max(survivors, key=lambda each: spreads[each.source])
        if spreads[outlier.source] <= min(each.jitter_ns for each in survivors):
            break
        survivors.remove(outlier)
    return survivors


def _spread_ns(candidate: Candidate, others: Sequence[Candidate]) -> float:
    """Selection jitter: root mean square distance from all others."""
    squares = sum((candidate.offset_ns - other.offset_ns) ** 2 for other in others)
    return math.sqrt(squares / (len(others) - 1))
