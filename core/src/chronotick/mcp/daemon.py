"""How the daemon is; an answer even where there is none."""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from chronotick.client.errors import ChronoTickError, ClockUnsynchronised, DaemonUnavailable
from chronotick.mcp.moments import NS_PER_S
from chronotick.views import Snapshot

UNAVAILABLE: Final = "unavailable"


class DaemonStatus(BaseModel):
    """The daemon at a glance. What only it can tell is null where it does not answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    status: str = Field(
        description="`synchronised` or `holdover`: time and bounds may be relied on; `warming-up`, "
        "`unknown`, `disrupted`: not yet; `unavailable`: no daemon serves time."
    )
    reason: str = Field(description="Why it is so, or what is wrong and what to run.")
    since_seconds: float | None = Field(None, description="How long it has been so (s).")
    version: str | None = Field(None, description="Of the daemon.")
    pid: int | None = Field(None, description="Process id of the daemon.")
    uptime_seconds: float | None = Field(None, description="How long the daemon has run (s).")
    bound_ns: int | None = Field(None, description="Half-width of the hard bound now (ns).")
    sigma_ns: int | None = Field(None, description="Calibrated standard uncertainty now (ns).")
    system_minus_time_ns: int | None = Field(
        None, description="How far the system clock is ahead of corrected time (ns)."
    )
    frequency_ppm: float | None = Field(
        None, description="Error of the oscillator's frequency (ppm), CLOCK_MONOTONIC_RAW to UTC."
    )
    measurements: int | None = Field(None, description="Measurements accepted since the start.")
    measured_ago_seconds: float | None = Field(
        None, description="Age of the newest accepted measurement (s)."
    )
    coverage: float | None = Field(
        None, description="Measured share (0 to 1) of the 95 % intervals that held the truth."
    )
    sources_believed: list[str] | None = Field(None, description="Time servers that are believed.")
    weights: dict[str, float] | None = Field(
        None, description="Share of each forecasting model in the served time (0 to 1), by name."
    )
    models: dict[str, str] | None = Field(None, description="State of each model, by name.")
    problems: list[str] | None = Field(None, description="What needs attention; empty: nothing.")


def daemon_status(snapshot: Snapshot) -> DaemonStatus:
    """Ask the daemon how it is. Blocks for up to two seconds."""
    try:
        told = snapshot.status()
    except ChronoTickError as error:
        return _without_answer(snapshot, error)
    return DaemonStatus(
        status=told["status"],
        reason=told["reason"],
        since_seconds=told["status_since_s"],
        version=told["version"],
        pid=told["pid"],
        uptime_seconds=told["daemon_uptime"],
        sources_believed=told["sources_believed"],
        weights=told["weights"],
        models=told["models"],
        problems=told["problems"],
        **_clock(told["clock"]),
    )


def _clock(clock: dict[str, Any] | None) -> dict[str, Any]:
    if clock is None:
        return {}
    return {
        "bound_ns": round(clock["bound_s"] * NS_PER_S),
        "sigma_ns": round(clock["sigma_s"] * NS_PER_S),
        "system_minus_time_ns": round(clock["system_minus_utc_s"] * NS_PER_S),
        "frequency_ppm": clock["frequency_ppm"],
        "measurements": clock["measurements"],
        "measured_ago_seconds": clock["last_measurement_age_s"],
        "coverage": clock["coverage"],
    }


def _without_answer(snapshot: Snapshot, error: ChronoTickError) -> DaemonStatus:
    """Tell what the record alone says: another user's daemon, say, which does not answer us."""
    try:
        reading = snapshot.time()
    except DaemonUnavailable as missing:
        return DaemonStatus(status=UNAVAILABLE, reason=str(missing))
    except ClockUnsynchronised as unsynchronised:
        status = unsynchronised.status.words
        return DaemonStatus(status=status, reason=str(unsynchronised))
    return DaemonStatus(
        status=reading.status,
        reason=f"it serves time, but does not answer: {error}",
        bound_ns=reading.bound_ns,
        sigma_ns=reading.sigma_ns,
        system_minus_time_ns=reading.system_minus_time_ns,
        measurements=reading.measurements,
        measured_ago_seconds=reading.measured_ago_s,
    )
