"""A plan for doing something at a moment: when to wake, what to compare, what is then certain."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from chronotick.mcp.moments import NS_PER_S, Moment, MomentError, moment_of
from chronotick.mcp.reading import LONGEST_FUTURE_S, vouched
from chronotick.views import Snapshot, TimeReading, iso8601
from chronotick.views.reading import reading_of

LONGEST_AHEAD_S: Final = 30 * 86_400.0
WAKE_MARGIN_NS: Final = 20_000_000  # a sleeper on a busy host wakes some milliseconds late


class ActionPlan(BaseModel):
    """How to begin an action not before a moment, and how late it may then be."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at_ns: int = Field(description="The action begins certainly not before this (Unix ns).")
    at: str = Field(description="The same in ISO 8601, with nanoseconds and offset (UTC).")
    now: TimeReading = Field(description="The time when the plan was made.")
    remaining_seconds: float = Field(description="From now until then, as estimated (s).")
    wake_at_ns: int = Field(
        description="Be awake when `time_ns` of `get_time` is this (Unix ns); it leaves 20 ms for "
        "waking up late."
    )
    wake_in_seconds: float = Field(description="From now until then (s); negative: it has passed.")
    latest_safe_start_ns: int = Field(
        description="What takes `lead_seconds` and must be ready at `at_ns` may start as long as "
        "`time_ns` of `get_time` is not past this (Unix ns): it is certainly ready then."
    )
    lead_seconds: float = Field(ge=0, description="How long the preparation takes (s), as given.")
    feasible: bool = Field(description="Whether the latest safe start is still ahead.")
    start_when: str = Field(description="Comparison with a reading that lets the action begin.")
    expected_start_ns: int = Field(
        description="`time_ns` of `get_time` when that comparison first holds, expected (Unix ns)."
    )
    start_latest_ns: int = Field(
        description="In true time, what begins when the comparison first holds begins not after "
        "this (Unix ns): `at_ns` and twice the expected bound; what the program itself takes comes "
        "on top."
    )
    expected_bound_ns: int = Field(
        ge=0,
        description="Hard bound then, if nothing is measured until then (ns): measurements only "
        "make it narrower.",
    )
    expected_sigma_ns: int | None = Field(
        description="Sigma then, if nothing is measured until then (ns); null more than an hour "
        "ahead, where it was never judged."
    )
    tolerance_seconds: float | None = Field(
        description="How late the action may begin (s), as given; null: not given."
    )
    probability_within_tolerance: float | None = Field(
        description="Probability (0 to 1) that it begins within the tolerance, by sigma; 1 where "
        "the hard bound guarantees it; null where no tolerance was given or no sigma is known."
    )
    guaranteed_within_tolerance: bool | None = Field(
        description="Whether the hard bound guarantees that; null: no tolerance was given."
    )
    steps: list[str] = Field(description="What to do, in order. Nothing has been started.")


def plan(
    snapshot: Snapshot, at: Moment | None, lead_s: float = 0.0, tolerance_s: float | None = None
) -> ActionPlan:
    """Plan an action; executes nothing.

    Args:
        snapshot: the clock.
        at: the action begins not before it; where it is an interval, not before its end; ``None``
            is the moment of the plan.
        lead_s: how long what must be ready by then takes (s).
        tolerance_s: how late it may begin (s).

    Raises:
        MomentError: the moment has certainly passed, or is more than 30 days ahead.
        DaemonUnavailable, ClockUnsynchronised: there is no clock to go by.
    """
    record, raw_ns = snapshot.clock.read()
    now = vouched(reading_of(record, raw_ns))
    at = at or moment_of(now)
    ahead_ns = _ahead_ns(now, at)
    near = reading_of(record, raw_ns, ahead_ns)
    # The action begins one bound later, when the bound has grown by a little more.
    then = reading_of(record, raw_ns, ahead_ns + near.bound_ns)
    ready_ns = at.earliest_ns - math.ceil(lead_s * NS_PER_S) - near.bound_ns
    wake_ns = ready_ns - WAKE_MARGIN_NS
    sigma_ns = then.sigma_ns if ahead_ns <= LONGEST_FUTURE_S * NS_PER_S else None
    return ActionPlan(
        at_ns=at.latest_ns,
        at=iso8601(at.latest_ns),
        now=now,
        remaining_seconds=ahead_ns / NS_PER_S,
        wake_at_ns=wake_ns,
        wake_in_seconds=(wake_ns - now.time_ns) / NS_PER_S,
        latest_safe_start_ns=ready_ns,
        lead_seconds=lead_s,
        feasible=now.time_ns <= ready_ns,
        start_when=f"earliest_ns > {at.latest_ns}",
        expected_start_ns=at.latest_ns + then.bound_ns,
        start_latest_ns=at.latest_ns + 2 * then.bound_ns,
        expected_bound_ns=then.bound_ns,
        expected_sigma_ns=sigma_ns,
        tolerance_seconds=tolerance_s,
        probability_within_tolerance=_probability(then.bound_ns, sigma_ns, tolerance_s),
        guaranteed_within_tolerance=_guaranteed(then.bound_ns, tolerance_s),
        steps=_steps(at.latest_ns, wake_ns, lead_s),
    )


def _ahead_ns(now: TimeReading, at: Moment) -> int:
    if at.latest_ns < now.earliest_ns:
        late_s = (now.earliest_ns - at.latest_ns) / NS_PER_S
        raise MomentError(
            f"at: {iso8601(at.latest_ns)} passed at least {late_s:.6f} s ago; name one to come"
        )
    ahead_ns = max(0, at.latest_ns - now.time_ns)
    if ahead_ns > LONGEST_AHEAD_S * NS_PER_S:
        raise MomentError(
            f"at: {iso8601(at.latest_ns)} is {ahead_ns / 86_400 / NS_PER_S:.1f} days ahead; plans "
            "reach 30 days: ask again when it is nearer"
        )
    return ahead_ns


def _guaranteed(bound_ns: int, tolerance_s: float | None) -> bool | None:
    return None if tolerance_s is None else tolerance_s * NS_PER_S >= 2 * bound_ns


def _probability(bound_ns: int, sigma_ns: int | None, tolerance_s: float | None) -> float | None:
    """Of true time at the start, which is ``at + bound`` with an error of sigma, to be in time."""
    if tolerance_s is None:
        return None
    spare_ns = tolerance_s * NS_PER_S - bound_ns
    if spare_ns >= bound_ns:
        return 1.0
    if sigma_ns is None:
        return None
    return NormalDist(0.0, max(sigma_ns, 1)).cdf(spare_ns)


def _steps(at_ns: int, wake_ns: int, lead_s: float) -> list[str]:
    steps = [f"Sleep by any means until time_ns of get_time is about {wake_ns}."]
    if lead_s:
        steps.append(f"Prepare, which takes {lead_s:g} s. Do not begin the action itself.")
    return [
        *steps,
        f"Call wait_until with time {at_ns}: it returns when earliest_ns is past {at_ns}.",
        "Begin the action at once: true time is then certainly past the moment.",
    ]
