"""Was it before? The honest answer has three values."""

from __future__ import annotations

import enum
from typing import NoReturn

from chronotick.shm.now import Now


class Order(enum.Enum):
    """Answer to "is now certainly before/after that moment?".

    Compare with ``is Order.YES``. An answer has no truth value of its own, for ``if not
    before(deadline)`` would take UNKNOWN for YES or for NO, and one of them is wrong.
    """

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"

    def __bool__(self) -> NoReturn:
        raise TypeError("the answer can be UNKNOWN: compare it, as in `before(t) is Order.YES`")


def is_before(now: Now, t_ns: int) -> Order:
    """Whether an interval lies before a moment (Unix ns, rounded up)."""
    if now.latest_ns < t_ns:
        return Order.YES
    return Order.NO if now.earliest_ns >= t_ns else Order.UNKNOWN


def is_after(now: Now, t_ns: int) -> Order:
    """Whether an interval lies after a moment (Unix ns, rounded down)."""
    if now.earliest_ns > t_ns:
        return Order.YES
    return Order.NO if now.latest_ns <= t_ns else Order.UNKNOWN
