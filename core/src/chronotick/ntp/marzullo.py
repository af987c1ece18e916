"""What most of several intervals share: Marzullo's algorithm.

K. Marzullo, "Maintaining the time in a distributed system", Stanford 1984; RFC 5905, section
11.2.1. What is ours: where several stretches are shared by equally many, all of them are told, so
that no side is taken, unless one is clearly larger. The size that counts is relative to the
narrowest interval around a stretch: honest sources agree near the middle of what they allow for, a
liar has to be reached for, at the edges of the others' intervals.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Interval = tuple[int, int]
"""Lower and upper end, ns; of UTC - CLOCK_MONOTONIC_RAW, mostly."""
CLEARLY = 1.25
"""How much larger than any other that as many share a stretch must be to be taken alone."""


def intersect(intervals: Sequence[Interval]) -> list[Interval]:
    """Find what more than half of the intervals share (Marzullo, 1984).

    Returns:
        Lower and upper end (ns) of the stretch that most intervals share; of all of them where
        equally many share several and none is ``CLEARLY`` the largest; none without a majority.
    """
    depth, stretches = _deepest(intervals)
    if 2 * depth <= len(intervals):
        return []
    shares = {stretch: _share(stretch, intervals) for stretch in stretches}
    largest, *others = sorted(stretches, key=lambda stretch: shares[stretch], reverse=True)
    if not others or shares[largest] > CLEARLY * shares[others[0]]:
        return [largest]
    return stretches


def hull(intervals: Iterable[Interval], at_least: int) -> Interval | None:
    """Find the outermost ends of what so many of the intervals share.

    As long as so many contain the truth it lies between these ends, whatever the others claim.

    Args:
        intervals: any, in any order.
        at_least: how many, 1 or more.

    Returns:
        Lower and upper end (ns); None where so many share nothing.
    """
    depth, low_ns, high_ns = 0, None, None
    for edge_ns, is_end in _edges(intervals):
        if not is_end:
            depth += 1
            if depth == at_least and low_ns is None:
                low_ns = edge_ns
            continue
        if depth == at_least:
            high_ns = edge_ns
        depth -= 1
    return None if low_ns is None or high_ns is None else (low_ns, high_ns)


def _deepest(intervals: Sequence[Interval]) -> tuple[int, list[Interval]]:
    """The stretches that most intervals share, in order, and how many share them."""
    depth = deepest = low_ns = 0
    stretches: list[Interval] = []
    for edge_ns, is_end in _edges(intervals):
        if is_end:
            if depth == deepest:
                stretches.append((low_ns, edge_ns))
            depth -= 1
            continue
        depth += 1
        low_ns = edge_ns
        if depth > deepest:
            deepest, stretches = depth, []
    return deepest, stretches


def _edges(intervals: Iterable[Interval]) -> list[tuple[int, bool]]:
    """Where intervals begin and end, in order; those that touch do share that moment."""
    return sorted(edge for low, high in intervals for edge in ((low, False), (high, True)))


def _share(stretch: Interval, intervals: Sequence[Interval]) -> float:
    """How large a stretch is, relative to the narrowest interval around it."""
    narrowest_ns = min(high - low for low, high in intervals if contains((low, high), stretch))
    return (stretch[1] - stretch[0]) / narrowest_ns if narrowest_ns else 1.0


def contains(outer: Interval, inner: Interval) -> bool:
    """Whether one interval lies within another, ends included."""
    return outer[0] <= inner[0] and inner[1] <= outer[1]
