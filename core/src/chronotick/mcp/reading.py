"""The time, now and later, and how far it can be trusted."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from chronotick.client.errors import ClockUnsynchronised
from chronotick.shm.layout import Status
from chronotick.views import Snapshot, TimeReading
from chronotick.views.reading import reading_of

NS_PER_S: Final = 1_000_000_000
LONGEST_FUTURE_S: Final = 3600.0

_HARD: Final = (
    "True time is inside if a majority of the believed servers is honest, their stated errors are "
    "true, and the oscillator keeps to its configured limits."
)
_STATISTICAL: Final = (
    "Errors are taken as normal with the standard deviation sigma_ns, which is calibrated on how "
    "well this host's own measurements were predicted; it is no guarantee."
)
_NOT_RELIABLE: Final = "The daemon does not vouch for any of it yet (see status)."


class FutureReading(BaseModel):
    """The time now, and what can already be said about a later instant."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    future_seconds: float = Field(description="How far ahead `then` is (s).")
    now: TimeReading = Field(description="The time now.")
    then: TimeReading = Field(
        description="The time so much later, with bound and sigma grown until then. `status`, "
        "`measured_ago_s` and `system_minus_time_ns` are those of now."
    )
    bound_growth_ns: int = Field(ge=0, description="How much the hard bound grows until then (ns).")
    sigma_growth_ns: int = Field(ge=0, description="How much sigma grows until then (ns).")


class TimeBounds(BaseModel):
    """The interval in which true time is, as sure as was asked for, and as sure as can be.

    ``earliest_ns`` and ``latest_ns`` are what they are in every answer, the hard bound: where an
    answer is compared, nothing less is certain.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    confidence: float = Field(ge=0, le=1, description="Probability that was asked for (0 to 1).")
    time_ns: int = Field(description="Best estimate of true time: Unix time in nanoseconds.")
    time: str = Field(description="The same in ISO 8601, with nanoseconds and offset (UTC).")
    likely_earliest_ns: int = Field(description="Beginning of the interval asked for (Unix ns).")
    likely_latest_ns: int = Field(description="End of the interval asked for (Unix ns).")
    half_width_ns: int = Field(ge=0, description="Half of its width (ns).")
    kind: str = Field(
        description="Of the interval asked for. `statistical`: a multiple of sigma; `hard`: the "
        "hard bound, which is never exceeded and is all there is for a confidence of 1."
    )
    earliest_ns: int = Field(description="True time is not before this (Unix ns): hard bound.")
    latest_ns: int = Field(description="True time is not after this (Unix ns): hard bound.")
    bound_ns: int = Field(ge=0, description="Half-width of the hard interval (ns).")
    sigma_ns: int = Field(ge=0, description="Calibrated standard uncertainty, one sigma (ns).")
    calibration: float = Field(
        ge=0, le=1, description="Measured against nominal coverage of the daemon's 95 % intervals."
    )
    status: str = Field(description="Of the clock, as `get_time` tells it.")
    reliable: bool = Field(description="Whether the daemon vouches for the bounds.")
    assumes: str = Field(description="What has to be true for the interval to be right.")


def future(snapshot: Snapshot, future_seconds: float) -> FutureReading:
    """Read the time, and what the same record says about a later instant.

    Raises:
        DaemonUnavailable, ClockUnsynchronised: there is no time.
    """
    record, raw_ns = snapshot.clock.read()
    now = reading_of(record, raw_ns)
    then = reading_of(record, raw_ns, math.floor(future_seconds * NS_PER_S))
    return FutureReading(
        future_seconds=future_seconds,
        now=now,
        then=then,
        bound_growth_ns=max(0, then.bound_ns - now.bound_ns),
        sigma_growth_ns=max(0, then.sigma_ns - now.sigma_ns),
    )


def bounds(reading: TimeReading, confidence: float) -> TimeBounds:
    """Return an interval that holds true time with a probability, never wider than the hard one.

    Args:
        reading: the time.
        confidence: that probability, 0 to 1.
    """
    half_ns = _half_width_ns(reading, confidence)
    hard = half_ns >= reading.bound_ns
    assumes = _HARD if hard else _STATISTICAL
    return TimeBounds(
        confidence=confidence,
        time_ns=reading.time_ns,
        time=reading.time,
        likely_earliest_ns=reading.time_ns - half_ns,
        likely_latest_ns=reading.time_ns + half_ns,
        half_width_ns=half_ns,
        kind="hard" if hard else "statistical",
        earliest_ns=reading.earliest_ns,
        latest_ns=reading.latest_ns,
        bound_ns=reading.bound_ns,
        sigma_ns=reading.sigma_ns,
        calibration=reading.confidence,
        status=reading.status,
        reliable=reading.reliable,
        assumes=assumes if reading.reliable else f"{_NOT_RELIABLE} {assumes}",
    )


def vouched(reading: TimeReading) -> TimeReading:
    """Return a reading whose bounds may be relied on.

    Raises:
        ClockUnsynchronised: they may not.
    """
    if not reading.reliable:
        raise ClockUnsynchronised(
            f"the clock is {reading.status}, so nobody vouches for its bounds yet; try again in a "
            "few seconds, and see get_daemon_status",
            Status[reading.status.upper().replace("-", "_")],
        )
    return reading


def _half_width_ns(reading: TimeReading, confidence: float) -> int:
    upper = (1.0 + confidence) / 2.0
    if upper >= 1.0:  # also for what is so near that a float cannot tell
        return reading.bound_ns
    return min(reading.bound_ns, math.ceil(NormalDist().inv_cdf(upper) * reading.sigma_ns))
