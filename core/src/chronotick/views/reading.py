"""The time as one flat value, in units that are in the names."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from chronotick.client.detailed import SOURCES
from chronotick.client.instants import NS_PER_S, iso8601
from chronotick.client.served import ServedClock
from chronotick.shm import clocks
from chronotick.shm.layout import Flags, Status
from chronotick.shm.record import READY, Record, interval_at
from chronotick.shm.served import was_suspended


class TimeReading(BaseModel):
    """Corrected time at one instant, and what it is worth."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    time_ns: int = Field(description="Best estimate of true time: Unix time in nanoseconds.")
    time: str = Field(description="The same in ISO 8601, with nanoseconds and offset (UTC).")
    earliest_ns: int = Field(description="True time is not before this (Unix ns): hard bound.")
    latest_ns: int = Field(description="True time is not after this (Unix ns): hard bound.")
    bound_ns: int = Field(ge=0, description="Half-width of that interval (ns).")
    sigma_ns: int = Field(ge=0, description="Calibrated standard uncertainty, one sigma (ns).")
    system_minus_time_ns: int = Field(
        description="How far the system clock is ahead of the best estimate (ns)."
    )
    status: str = Field(
        description="`synchronised` or `holdover`: the bounds may be relied on; `warming-up`: "
        "not yet; `disrupted`: the host has slept, and nothing was measured since."
    )
    reliable: bool = Field(description="Whether the daemon vouches for the bounds.")
    source: str = Field(description="What the time is made of: ntp, model, fusion or holdover.")
    confidence: float = Field(
        ge=0, le=1, description="Measured against nominal coverage of the daemon's intervals."
    )
    measured_ago_s: float = Field(
        description="Age now of the newest accepted measurement (s), also of a reading ahead."
    )
    measurements: int = Field(ge=0, description="Measurements accepted since the daemon started.")
    authenticated: bool = Field(
        description="Whether all that is behind the time came from authenticated sources."
    )
    leap: str = Field(
        description="`insert` or `delete`: the last minute of the UTC day will have a second more "
        "or less; `none`."
    )
    epoch: int = Field(description="Changes whenever served time was allowed to jump.")


def read_time(clock: ServedClock, ahead_ns: int = 0) -> TimeReading:
    """Read a clock.

    Args:
        clock: the record.
        ahead_ns: 0 reads now; more says what the present record says about that much later, with
            the bound and the uncertainty grown until then.

    Raises:
        DaemonUnavailable: no daemon serves time.
        ClockUnsynchronised: the daemon is there and has no time to offer.
    """
    record, raw_ns = clock.read()
    return reading_of(record, raw_ns, ahead_ns)


def reading_of(record: Record, raw_ns: int, ahead_ns: int = 0) -> TimeReading:
    """What a record that serves time says about a RAW instant (ns), which must be now."""
    now, then = interval_at(record, raw_ns), interval_at(record, raw_ns + ahead_ns)
    status = Status.DISRUPTED if was_suspended(record) else record.status
    return TimeReading(
        time_ns=then.estimate_ns,
        time=iso8601(then.estimate_ns),
        earliest_ns=then.earliest_ns,
        latest_ns=then.latest_ns,
        bound_ns=then.latest_ns - then.estimate_ns,
        sigma_ns=then.sigma_ns,
        system_minus_time_ns=raw_ns + clocks.system_minus_raw_ns() - now.estimate_ns,
        status=status.words,
        reliable=status in READY,
        source=SOURCES[record.source],
        confidence=record.confidence,
        measured_ago_s=(raw_ns - record.last_sync_raw_ns) / NS_PER_S,
        measurements=record.measurements,
        authenticated=bool(record.flags & Flags.AUTHENTICATED),
        leap=_leap(record.flags),
        epoch=record.epoch,
    )


def _leap(flags: Flags) -> str:
    if flags & Flags.LEAP_INSERT:
        return "insert"
    return "delete" if flags & Flags.LEAP_DELETE else "none"
