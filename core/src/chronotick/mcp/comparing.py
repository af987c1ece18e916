"""Which of two moments was first? ``unknown`` where their intervals do not say."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from chronotick.mcp.moments import Moment

Order = Literal["before", "after", "unknown"]


class Interval(BaseModel):
    """Where a moment is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    earliest_ns: int = Field(description="It is not before this (Unix ns).")
    latest_ns: int = Field(description="It is not after this (Unix ns).")


class Comparison(BaseModel):
    """The order of two moments."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    order: Order = Field(
        description="`before`: a was certainly before b; `after`: certainly after it; `unknown`: "
        "their intervals overlap, and either may have been first."
    )
    a: Interval = Field(description="What was understood as a.")
    b: Interval = Field(description="What was understood as b.")
    b_minus_a_least_ns: int = Field(description="b minus a is at least this (ns).")
    b_minus_a_most_ns: int = Field(description="b minus a is at most this (ns).")
    explanation: str = Field(description="The same in a sentence.")


def compare(a: Moment, b: Moment) -> Comparison:
    """Say which moment was first, if that is certain."""
    least_ns, most_ns = b.earliest_ns - a.latest_ns, b.latest_ns - a.earliest_ns
    order = _order(least_ns, most_ns)
    return Comparison(
        order=order,
        a=Interval(earliest_ns=a.earliest_ns, latest_ns=a.latest_ns),
        b=Interval(earliest_ns=b.earliest_ns, latest_ns=b.latest_ns),
        b_minus_a_least_ns=least_ns,
        b_minus_a_most_ns=most_ns,
        explanation=_sentence(order, a, b),
    )


def _order(least_ns: int, most_ns: int) -> Order:
    if least_ns > 0:
        return "before"
    return "after" if most_ns < 0 else "unknown"


def _sentence(order: Order, a: Moment, b: Moment) -> str:
    if order == "before":
        return f"a was before b, by at least {b.earliest_ns - a.latest_ns} ns."
    if order == "after":
        return f"a was after b, by at least {a.earliest_ns - b.latest_ns} ns."
    overlap_ns = min(a.latest_ns, b.latest_ns) - max(a.earliest_ns, b.earliest_ns)
    return f"The intervals overlap by {overlap_ns} ns, so either may have been first."
