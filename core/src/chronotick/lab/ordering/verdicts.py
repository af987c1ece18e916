"""What follows from stamps with intervals: orders, and how long to wait for certainty."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chronotick.lab.ordering.stamps import Stamped, Stamps
from chronotick.lab.ordering.truetime import Vector

BEFORE, UNKNOWN, AFTER = 1, 0, -1

Marks = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Verdicts:
    """What the intervals of one level say of all events.

    Attributes:
        order: of the pair, int8 [events]: `BEFORE` (right), `AFTER` (wrong) or `UNKNOWN`.
        half_ns: half-widths, of the earlier and the later event, [2, events].
        missed: whether they do not hold true time, [2, events].
        own_wait_ns: until an event's own node knows that its latest time is past, [waits].
        early: whether that ends before the event's latest time is really past, [waits].
        wait_ns: until every node knows it, [waits].
    """

    order: NDArray[np.int8]
    half_ns: Vector
    missed: Marks
    own_wait_ns: Vector
    early: Marks
    wait_ns: Vector


def verdicts(stamped: Stamped, level: int) -> Verdicts:
    """Judge stamps by the intervals of one level.

    One event is before another if its whole interval is. A node that stamps an event with its
    latest time waits until its earliest time is beyond that: twice the half-width (commit-wait:
    Corbett et al., "Spanner: Google's Globally-Distributed Database", OSDI 2012, section 4.2.1).
    Once that holds on every node, whatever is stamped from then on is definitely later.

    Intervals while waiting are those at the event: what they grow by meanwhile (15 us a second of
    a bound) and a measurement that arrives meanwhile are left out.

    Args:
        stamped: the stamps.
        level: which of their intervals.
    """
    pair = (stamped.first, stamped.second)
    half = np.stack([each.half_ns[:, level] for each in pair])
    waits = stamped.everywhere.time_ns.shape[1]
    waiting = stamped.first.part(slice(None, waits))
    own_wait = 2.0 * waiting.half_ns[:, level]
    latest = waiting.error_ns + waiting.half_ns[:, level]  # beyond the true time of the event
    return Verdicts(
        order=_order(stamped.gap_ns, half.sum(axis=0)),
        half_ns=half,
        missed=np.stack([np.abs(each.error_ns) > each.half_ns[:, level] for each in pair]),
        own_wait_ns=own_wait,
        early=own_wait < latest,
        wait_ns=_wait(waiting, stamped.everywhere, level),
    )


def _order(gap_ns: Vector, reach_ns: Vector) -> NDArray[np.int8]:
    order = np.full(len(gap_ns), UNKNOWN, dtype=np.int8)
    order[gap_ns > reach_ns] = BEFORE
    order[-gap_ns > reach_ns] = AFTER
    return order


def _wait(event: Stamps, everywhere: Stamps, level: int) -> Vector:
    """The longest time by which a node's earliest time is behind the event's latest."""
    ahead = (event.time_ns - everywhere.time_ns).astype(np.float64)
    needed = event.half_ns[:, level] + everywhere.half_ns[..., level] + ahead
    longest: Vector = np.maximum(needed.max(axis=0), 0.0)
    return longest
