"""Pairs of events whose true order is known."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from chronotick.lab.ordering.errors import OrderingError
from chronotick.lab.ordering.settings import Settings
from chronotick.lab.ordering.truetime import Instants, Vector

NS_PER_S = 1_000_000_000
Numbers = NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Events:
    """Pairs of events, one on each of two nodes; the first one is really earlier.

    Attributes:
        pairs: every pair of nodes (numbers, ascending).
        pair: which of ``pairs`` each is of, [n].
        first_node, second_node: numbers of the nodes, [n].
        first_ns, second_ns: true time, [n].
    """

    pairs: tuple[tuple[int, int], ...]
    pair: Numbers
    first_node: Numbers
    second_node: Numbers
    first_ns: Instants
    second_ns: Instants

    @property
    def separation_s(self) -> Vector:
        """True time between the two, [n]."""
        return (self.second_ns - self.first_ns).astype(np.float64) * 1e-9


def draw_events(nodes: int, span_ns: tuple[int, int], settings: Settings) -> Events:
    """Draw pairs of events.

    Pair of nodes and instant are uniform, which node is first is a coin's toss, the separation is
    log-uniform.

    Args:
        nodes: how many there are.
        span_ns: true time in which all events lie.
        settings: how many, how far apart, which seed.

    Raises:
        OrderingError: the span is shorter than the longest separation.
    """
    rng = np.random.default_rng(settings.seed)
    pairs = tuple(combinations(range(nodes), 2))
    count = settings.events
    room_ns = span_ns[1] - span_ns[0] - round(settings.most_s * NS_PER_S)
    if room_ns <= 0:
        raise OrderingError(
            f"the nodes have {(span_ns[1] - span_ns[0]) * 1e-9:.3f} s of true time in common after "
            f"the warm-up: less than two events {settings.most_s:g} s apart take. Shorten --warm-up"
        )
    pair = rng.integers(len(pairs), size=count)
    swapped = rng.integers(2, size=count)
    both = np.array(pairs, dtype=np.intp)[pair]
    first_ns = span_ns[0] + rng.integers(room_ns, size=count)
    logs = rng.uniform(np.log(settings.least_s), np.log(settings.most_s), size=count)
    apart_ns = np.maximum(np.rint(np.exp(logs) * NS_PER_S), 1.0).astype(np.int64)
    rows = np.arange(count)
    return Events(
        pairs=pairs,
        pair=pair,
        first_node=both[rows, swapped],
        second_node=both[rows, 1 - swapped],
        first_ns=first_ns,
        second_ns=first_ns + apart_ns,
    )
