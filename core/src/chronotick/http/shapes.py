"""Answers as types: the OpenAPI document is made from them, and tests hold the answers to them.

The daemon's own answers are passed on as they come; what is described here is what may be relied
on, and more may be there.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from chronotick.access.errors import Problem


class Shape(BaseModel):
    """An answer, or a part of one."""

    model_config = ConfigDict(extra="allow")


class Alive(Shape):
    """This process lives."""

    status: str = Field(description="`alive`")


class Ready(Shape):
    """The daemon vouches for the time."""

    status: str = Field(description="`synchronised` or `holdover`")


class Clock(Shape):
    """The clock at a glance."""

    utc_ns: int = Field(description="Served time: Unix time in nanoseconds.")
    system_minus_utc_s: float = Field(description="How far the system clock is ahead of it (s).")
    bound_s: float = Field(description="Half-width of the hard bound (s).")
    sigma_s: float = Field(description="Standard uncertainty, one sigma (s).")
    frequency_ppm: float = Field(description="CLOCK_MONOTONIC_RAW to UTC (parts per million).")
    measurements: int = Field(description="Accepted since the daemon started.")
    last_measurement_age_s: float | None = Field(description="Age of the newest of them (s).")
    coverage: float = Field(description="Measured coverage of nominal 95 % intervals.")
    coverage_by_horizon: list[dict[str, Any]] = Field(description="The same ahead of time.")


class Status(Shape):
    """The daemon at a glance, as `chronotick status --json` prints it."""

    version: str = Field(description="Of the daemon.")
    pid: int = Field(description="Its process.")
    daemon_uptime: float = Field(description="How long it has run (s).")
    status: str = Field(description="State of the clock.")
    reason: str = Field(description="Why.")
    status_since_s: float = Field(description="For how long (s).")
    clock: Clock | None = Field(description="null: nothing was measured yet.")
    sources_believed: list[str] = Field(description="Identifiers of sources that agree.")
    weights: dict[str, float] = Field(description="Weight of each model.")
    models: dict[str, str] = Field(description="State of each model.")
    publication: dict[str, Any] = Field(description="The record, and how often it is written.")
    problems: list[str] = Field(description="What an operator should know, in sentences.")


class Source(Shape):
    """A time server, and why it is used or not."""

    id: str = Field(description="Its identifier.")
    name: str = Field(description="As it was configured.")
    reason: str = Field(description="Why it is used or not, in a letter.")
    reason_words: str = Field(description="The same in words.")
    stratum: int | None = Field(description="What it says about its distance to a reference.")
    reach: str = Field(description="The last eight polls, as octal digits of bits.")
    poll_s: float = Field(description="Time between polls (s).")
    age_s: float | None = Field(description="Age of its newest measurement (s).")
    system_offset_s: float | None = Field(description="It minus the system clock (s).")
    delay_s: float | None = Field(description="Round trip (s).")
    jitter_s: float | None = Field(description="Scatter of its measurements (s).")
    root_distance_s: float | None = Field(description="Its own bound (s).")
    last_error: str | None = Field(description="Of its newest failed poll.")


class Sources(Shape):
    """All time servers."""

    sources: list[Source]


class Model(Shape):
    """A forecasting model."""

    state: str = Field(description="What it is doing.")
    weight: float = Field(description="Its share of the forecast.")
    reason: str = Field(description="Why it has this weight.")
    sigma_s: float | None = Field(description="Standard uncertainty of its forecast (s).")
    skill: list[dict[str, Any]] = Field(description="What it was worth at each horizon.")


class Models(Shape):
    """All models by name."""

    models: dict[str, Model]


class Row(Shape):
    """Something at one instant."""

    time_ns: int = Field(description="When: Unix time in nanoseconds.")
    time: str = Field(description="The same in ISO 8601, with nanoseconds and offset.")


class ClockRow(Row):
    """The clock at one instant."""

    status: str
    system_minus_time_ns: int
    bound_ns: int
    sigma_ns: int
    frequency_ppm: float
    coverage: float | None


class WeightsRow(Row):
    """Weights at one instant."""

    weights: dict[str, float] = Field(description="By model.")


class MeasurementRow(Row):
    """A measurement."""

    source: str
    error_ns: int | None = Field(description="What it said minus what was served.")
    delay_ns: int
    selected: bool


class ForecastRow(Row):
    """A forecast, and what became of it."""

    model: str
    loop: str
    horizon_s: float
    sigma_s: float | None
    error_s: float | None = Field(description="null: not judged by a measurement.")


class TransitionRow(Row):
    """A change of the daemon's state."""

    before: str
    after: str
    reason: str


class Rows(Shape):
    """Rows by field, the oldest first; fields that were not asked for are missing."""

    clock: list[ClockRow] = Field(default=[])
    weights: list[WeightsRow] = Field(default=[])
    measurements: list[MeasurementRow] = Field(default=[])
    forecasts: list[ForecastRow] = Field(default=[])
    transitions: list[TransitionRow] = Field(default=[])


class History(Shape):
    """What was in a stretch of time."""

    from_ns: int = Field(description="Its beginning, which belongs to it (Unix ns).")
    from_: str = Field(alias="from", description="The same in ISO 8601.")
    to_ns: int = Field(description="Its end, which does not (Unix ns).")
    to: str = Field(description="The same in ISO 8601.")
    rows: Rows


class Failure(Shape):
    """Every answer that is an error."""

    error: Problem
