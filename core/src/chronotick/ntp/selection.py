"""Whom to believe: from every source's samples to the survivors.

Pure functions. A source is sorted out, with one letter for the reason as chrony's ``selectdata``
gives one, in this order:

1. it cannot be used: ``K`` refused service, ``?`` unreachable, ``.`` not measured yet, ``S``
   stratum not wanted, ``d`` root distance too large, ``A`` not authenticated though that is
   required;
2. *plausibility*: each source's samples, moved to a common moment, say where true time plausibly is
   (:mod:`chronotick.ntp.plausible`). The stretch that most of these intervals share must be shared
   by **more than half** of the usable sources, otherwise nobody is believed (``m``). Whoever does
   not contain it lies, or his route is more lopsided than routes are (``x``);
3. *possibility*: the same among those who are left, with the correctness intervals, offset ± root
   distance, in which true time provably lies if a server is honest (``x``);
4. *minimum*: fewer agreeing sources than configured are not believed (``W``);
5. *cluster*: if a majority of the agreeing sources agrees as closely as sources over usual routes
   do, the others are left out (``~``);
6. the rest is used (``+``); the one with the lowest stratum and root distance leads (``*``).

Authenticated sources come first where they are preferred: steps 2 and 3 are taken with them alone,
then with those of the others that do not contradict who agreed; step 5 leaves none of them out for
others. Where they do not agree among themselves all sources vote as equals.

So one lonely source is believed (unless a minimum is configured), of two that contradict each
other neither is, of three the two that agree, of four three, of five three. Two against two is no
majority. While step 2 finds no majority, sources that cannot possibly be right unless more than
half of all are wrong (that many intervals do not touch theirs) lose their vote, then those that
cannot plausibly be: what is hours off does not keep the others from agreeing, and of four two are
enough where the other two contradict everybody, each other included.

Where several stretches are shared by equally many (see :mod:`chronotick.ntp.marzullo`), the sources
in all of them are believed; those in only some are left out without being called liars (``~``),
since either may be right. Who was found wrong before may join a majority of the others, but not
split it.

The vote and step 3 are Marzullo's (1984) and RFC 5905's (section 11.2.1), with chrony's reading
that a source needs only its *interval* to contain the shared stretch, not its midpoint. The
plausible and the usual intervals, the lost vote and the choice among stretches are ChronoTick's
own: plain intersection does not see a server 30 ms wrong among routes of 40 ms, and where such a
server splits the majority in two it throws out honest ones (``bench/selection.py`` measures both).
The cluster algorithm of RFC 5905 (11.2.2) drops the offset furthest from the others while that is
beyond their jitter: of four honest servers always one, with its good samples. That made the
estimate's error 7 to 21 % larger on four recorded worlds, and is not done.

A server that follows this host is no source (:attr:`chronotick.ntp.checks.Drop.LOOP`): ChronoTick
may serve its time (``neighbours.ntp``), and would hear it again. Loops over several hosts are not
seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, NamedTuple, final

from chronotick.ntp.marzullo import Interval, contains, intersect
from chronotick.ntp.worded import Worded

_STRATUM_WEIGHT_NS = 1_500_000_000  # RFC 5905, MAXDIST: stratum decides before root distance


@final
class Reason(Worded):
    """Why a source is used, or not: one letter."""

    BEST = "*", "used, and the best"
    USED = "+", "used"
    CLUSTERED_OUT = "~", "agrees less closely than the others"
    TOO_FEW = "W", "waits until min_sources agree"
    FALSETICKER = "x", "contradicts the majority"
    NO_MAJORITY = "m", "no majority: the sources contradict each other"
    DISTANCE = "d", "root distance above max_acceptable_uncertainty"
    STRATUM = "S", "stratum outside min_stratum to max_stratum"
    NOT_AUTHENTICATED = "A", "not authenticated, and only authenticated sources are believed"
    NOT_MEASURED = ".", "not measured yet"
    UNREACHABLE = "?", "no valid reply to the last questions"
    KISS = "K", "the server refuses service"


JUDGED = frozenset(
    {
        Reason.BEST,
        Reason.USED,
        Reason.CLUSTERED_OUT,
        Reason.TOO_FEW,
        Reason.FALSETICKER,
        Reason.NO_MAJORITY,
    }
)
"""What is found of a source that can be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A source as selection sees it.

    Attributes:
        source: identifier.
        unusable: a reason found before, None where the source has a current sample.
        stratum: the server's stratum.
        offset_ns: UTC - CLOCK_MONOTONIC_RAW, now.
        root_distance_ns: hard bound of the offset's error, now.
        plausible: where UTC - CLOCK_MONOTONIC_RAW plausibly is by this source (see
            :mod:`chronotick.ntp.plausible`); None where nothing is known beyond the possible.
        usual: where it is if the route is a usual one; None likewise.
        doubted: the source was found wrong when it was last judged.
        authenticated: nobody but the server can have made its sample.
    """

    source: str
    unusable: Reason | None = None
    stratum: int = 0
    offset_ns: int = 0
    root_distance_ns: int = 0
    plausible: Interval | None = None
    usual: Interval | None = None
    doubted: bool = False
    authenticated: bool = False

    @property
    def possible(self) -> Interval:
        """The correctness interval: where UTC - CLOCK_MONOTONIC_RAW is if the server is honest."""
        return self.offset_ns - self.root_distance_ns, self.offset_ns + self.root_distance_ns

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
        authentication: what authenticated sources are worth.
    """

    max_distance_ns: int = 1_500_000_000
    min_stratum: int = 1
    max_stratum: int = 15
    min_sources: int = 1
    authentication: Literal["require", "prefer", "ignore"] = "prefer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Who is believed at one moment.

    Attributes:
        raw_ns: the moment, CLOCK_MONOTONIC_RAW.
        reasons: one per source, by identifier.
        survivors: sources used, best first.
        voters: sources of whom a majority is taken to be honest: all that were judged, or of
            them the authenticated ones, where these are preferred and agree; empty without
            survivors.
        low_ns: lower end of what the survivors agree on, UTC - RAW; None without survivors.
        high_ns: upper end.
    """

    raw_ns: int = 0
    reasons: Mapping[str, Reason] = field(default_factory=lambda: MappingProxyType({}))
    survivors: tuple[str, ...] = ()
    voters: frozenset[str] = frozenset()
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
    prefer = limits.authentication == "prefer"
    vote = agreeing_with_authenticated(usable) if prefer else agreeing(usable)
    chimers, undecided = vote.agreed, vote.undecided
    outcast = Reason.FALSETICKER if chimers else Reason.NO_MAJORITY
    reasons |= {each.source: outcast for each in usable}
    reasons |= {each.source: Reason.CLUSTERED_OUT for each in undecided}
    if len(chimers) < max(limits.min_sources, 1):
        reasons |= {each.source: Reason.TOO_FEW for each in chimers}
        return Selection(raw_ns=raw_ns, reasons=MappingProxyType(reasons))
    closest = cluster(chimers, limits.min_sources)
    proven = [each for each in chimers if prefer and each.authenticated and each not in closest]
    mixed = any(not each.authenticated for each in closest)
    survivors = sorted([*closest, *proven] if mixed else closest, key=lambda each: each.metric)
    reasons |= {each.source: Reason.CLUSTERED_OUT for each in chimers}
    reasons |= {each.source: Reason.USED for each in survivors}
    reasons[survivors[0].source] = Reason.BEST
    return Selection(
        raw_ns=raw_ns,
        reasons=MappingProxyType(reasons),
        survivors=tuple(each.source for each in survivors),
        voters=frozenset(each.source for each in vote.voters),
        low_ns=max(each.possible[0] for each in survivors),
        high_ns=min(each.possible[1] for each in survivors),
    )


def _unusable(candidate: Candidate, limits: Limits) -> Reason | None:
    if candidate.unusable is not None:
        return candidate.unusable
    if not limits.min_stratum <= candidate.stratum <= limits.max_stratum:
        return Reason.STRATUM
    if candidate.root_distance_ns > limits.max_distance_ns:
        return Reason.DISTANCE
    if limits.authentication == "require" and not candidate.authenticated:
        return Reason.NOT_AUTHENTICATED
    return None


class Vote(NamedTuple):
    """What a vote among sources comes to.

    Attributes:
        agreed: the majority; empty where there is none.
        undecided: those that agree with a part of it that is a majority too, not with all of it.
        voters: those of whom it is the majority.
    """

    agreed: Sequence[Candidate]
    undecided: Sequence[Candidate]
    voters: Sequence[Candidate]


def agreeing(usable: Sequence[Candidate]) -> Vote:
    """Find the majority that agrees, plausibly and possibly.

    Args:
        usable: those that have a vote.
    """
    voters, vote = usable, _plausible_vote(usable)
    for interval in (_possible, _plausible):
        if not vote.agreed:
            voters = [each for each in voters if not _refuted(each, voters, interval)]
            vote = _plausible_vote(voters)
    agreed = _vote(vote.agreed, _possible).agreed
    return Vote(agreed, vote.undecided if agreed else [], usable)


def agreeing_with_authenticated(usable: Sequence[Candidate]) -> Vote:
    """Find the majority among authenticated sources first, then who agrees with it.

    However many others contradict them, authenticated sources that agree are believed. Where they
    do not agree among themselves, all vote as equals.

    Args:
        usable: those that have a vote.
    """
    authenticated = [each for each in usable if each.authenticated]
    trusted = agreeing(authenticated)
    if not trusted.agreed:
        return agreeing(usable)
    others = [each for each in usable if not each.authenticated and _meets(each, trusted.agreed)]
    together = agreeing([*trusted.agreed, *others])
    if all(each in together.agreed for each in trusted.agreed):
        undecided = [*trusted.undecided, *together.undecided]
        return Vote(together.agreed, undecided, authenticated)
    return Vote(trusted.agreed, [*trusted.undecided, *others], authenticated)


def _meets(candidate: Candidate, group: Sequence[Candidate]) -> bool:
    """Whether a source may be right where a group that agrees is."""
    for interval in (_possible, _plausible):
        low_ns, high_ns = interval(candidate)
        shared = [interval(each) for each in group]
        if low_ns > min(high for _, high in shared) or high_ns < max(low for low, _ in shared):
            return False
    return True


def _plausible_vote(voters: Sequence[Candidate]) -> Vote:
    vote = _vote(voters, _plausible)
    trusted = [each for each in voters if not each.doubted]
    if len(trusted) == len(voters):
        return vote
    before = _vote(trusted, _plausible)
    split = any(each not in vote.agreed for each in before.agreed)
    return before if split and 2 * len(before.agreed) > len(voters) else vote


def _vote(voters: Sequence[Candidate], interval: Callable[[Candidate], Interval]) -> Vote:
    stretches = intersect([interval(each) for each in voters])
    inside = [
        (each, [contains(interval(each), stretch) for stretch in stretches]) for each in voters
    ]
    agreed = [each for each, found in inside if found and all(found)]
    undecided = [each for each, found in inside if any(found) and not all(found)]
    return Vote(agreed, undecided, voters)


def _refuted(
    candidate: Candidate,
    voters: Sequence[Candidate],
    interval: Callable[[Candidate], Interval],
) -> bool:
    """Whether a source cannot be right unless more than half of all voters are wrong."""
    low_ns, high_ns = interval(candidate)
    others = [interval(each) for each in voters]
    apart = [each for each in others if each[0] > high_ns or each[1] < low_ns]
    return 2 * len(apart) > len(voters)


def cluster(chimers: Sequence[Candidate], at_least: int) -> Sequence[Candidate]:
    """Leave out those whose routes would have to be unusual, if a majority's need not be.

    Args:
        chimers: sources that agree.
        at_least: how many must remain for that.
    """
    group = _vote(chimers, _usual).agreed
    # Between two camps a minority, or one alone, may stand: good enough to believe, not to prefer.
    return group if len(group) >= at_least and 2 * len(group) > len(chimers) else chimers


def _possible(candidate: Candidate) -> Interval:
    return candidate.possible


def _plausible(candidate: Candidate) -> Interval:
    return candidate.plausible or candidate.possible


def _usual(candidate: Candidate) -> Interval:
    return candidate.usual or _plausible(candidate)
