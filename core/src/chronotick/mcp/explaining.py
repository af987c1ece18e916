"""Why the time is what it is: who is believed, which model counts, what the bound is made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from chronotick.mcp.moments import NS_PER_S
from chronotick.views import Snapshot, TimeReading
from chronotick.views.reading import reading_of


class SourceWhy(BaseModel):
    """A time server, and why it is believed or not."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(description="Its address.")
    believed: bool = Field(description="Whether its measurements count.")
    why: str = Field(description="The reason.")
    system_offset_ns: int | None = Field(
        description="What must be added to the system clock, as it says (ns); null: unknown."
    )
    delay_ns: int | None = Field(description="Round trip to it (ns); null: unknown.")
    root_distance_ns: int | None = Field(
        description="Greatest error that its measurement can have if it is honest (ns)."
    )
    age_seconds: float | None = Field(description="Age of its newest measurement (s).")


class ModelWhy(BaseModel):
    """A forecasting model, and why it has its weight."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(description="Its name.")
    weight: float = Field(description="Its share in the served time (0 to 1).")
    why: str = Field(description="The reason.")
    state: str = Field(description="What it is doing: `ready`, or what it is instead.")
    latency_median_ms: float | None = Field(description="What a forecast of it takes (ms).")


class BoundWhy(BaseModel):
    """What the hard bound is made of, as far as the daemon tells."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bound_ns: int = Field(ge=0, description="Half-width of the hard bound now (ns).")
    narrowest_source: str | None = Field(
        description="The believed source with the least root distance; null: none is known."
    )
    root_distance_ns: int | None = Field(
        description="Its root distance (ns): half the round trip, and its own stated error."
    )
    half_delay_ns: int | None = Field(description="Half the round trip to it (ns).")
    rest_ns: int | None = Field(
        description="The bound less that root distance (ns): what the others admit beyond it, as "
        "any minority may lie, what the oscillator may have done since, and what is still to be "
        "slewed; negative where several sources narrow it."
    )
    growth_ns_per_s: float = Field(
        ge=0, description="How fast the bound grows without measurements (ns/s)."
    )


class CalibrationWhy(BaseModel):
    """How far sigma can be trusted."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sigma_ns: int = Field(ge=0, description="Calibrated standard uncertainty now (ns).")
    factor: float = Field(
        description="What the estimator's own sigma is multiplied by, as its innovations ask for."
    )
    coverage: float = Field(
        description="Measured share (0 to 1) of the 95 % intervals that held what was measured."
    )
    measurements: int = Field(ge=0, description="Measurements accepted since the daemon's start.")


class Explanation(BaseModel):
    """Why the time is what it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str = Field(description="All of it for reading, in lines.")
    status: str = Field(description="Of the clock, as `get_time` tells it.")
    reason: str = Field(description="Why it has that status.")
    since_seconds: float = Field(description="How long it has had it (s).")
    time: TimeReading | None = Field(description="The time now; null: there is none yet.")
    bound: BoundWhy | None = Field(description="What the bound is made of; null: without time.")
    calibration: CalibrationWhy | None = Field(
        description="How far sigma can be trusted; null: without time."
    )
    sources: list[SourceWhy] = Field(description="Time servers, those believed first.")
    models: list[ModelWhy] = Field(description="Forecasting models, by weight.")
    problems: list[str] = Field(description="What needs attention; empty: nothing.")


def explain(snapshot: Snapshot) -> Explanation:
    """Explain the clock. Blocks for up to two seconds.

    Raises:
        DaemonUnavailable: no daemon answers.
        ControlError: it refuses.
    """
    status = snapshot.status()
    sources = _sources(snapshot.sources(), status["sources_believed"])
    models = _models(snapshot.models())
    time, bound, calibration = _clock(snapshot, status["clock"], sources)
    known: dict[str, Any] = {
        "status": status["status"],
        "reason": status["reason"],
        "since_seconds": status["status_since_s"],
        "time": time,
        "bound": bound,
        "calibration": calibration,
        "sources": sources,
        "models": models,
        "problems": status["problems"],
    }
    text = "\n".join(_lines(Explanation(text="", **known)))
    return Explanation(text=text, **known)


def _sources(told: Sequence[Mapping[str, Any]], believed: Sequence[str]) -> list[SourceWhy]:
    listed = [
        SourceWhy(
            name=source["id"],
            believed=source["id"] in believed,
            why=_why(source),
            system_offset_ns=_ns(source["system_offset_s"]),
            delay_ns=_ns(source["delay_s"]),
            root_distance_ns=_ns(source["root_distance_s"]),
            age_seconds=source["age_s"],
        )
        for source in told
    ]
    return sorted(listed, key=lambda source: not source.believed)


def _why(source: Mapping[str, Any]) -> str:
    silent = source["reach"] == "0" and source["last_error"]
    words = str(source["reason_words"])
    return f"{words}: {source['last_error']}" if silent else words


def _models(told: Mapping[str, Mapping[str, Any]]) -> list[ModelWhy]:
    listed = [
        ModelWhy(
            name=name,
            weight=model["weight"],
            why=model["reason"],
            state=model["state"],
            latency_median_ms=model.get("latency_median_ms"),
        )
        for name, model in told.items()
    ]
    return sorted(listed, key=lambda model: -model.weight)


def _clock(
    snapshot: Snapshot, told: Mapping[str, Any] | None, sources: Sequence[SourceWhy]
) -> tuple[TimeReading | None, BoundWhy | None, CalibrationWhy | None]:
    if told is None:
        return None, None, None
    record, raw_ns = snapshot.clock.read()
    time = reading_of(record, raw_ns)
    calibration = CalibrationWhy(
        sigma_ns=time.sigma_ns,
        factor=told["sigma_factor"],
        coverage=told["coverage"],
        measurements=time.measurements,
    )
    return time, _bound(time.bound_ns, record.bound_rate * NS_PER_S, sources), calibration


def _bound(bound_ns: int, growth_ns_per_s: float, sources: Sequence[SourceWhy]) -> BoundWhy:
    known = [s for s in sources if s.believed and s.root_distance_ns is not None]
    best = min(known, key=lambda source: source.root_distance_ns or 0, default=None)
    distance_ns = best.root_distance_ns if best else None
    return BoundWhy(
        bound_ns=bound_ns,
        narrowest_source=best.name if best else None,
        root_distance_ns=distance_ns,
        half_delay_ns=best.delay_ns // 2 if best and best.delay_ns is not None else None,
        rest_ns=None if distance_ns is None else bound_ns - distance_ns,
        growth_ns_per_s=growth_ns_per_s,
    )


def _ns(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * NS_PER_S)


def _lines(known: Explanation) -> Iterator[str]:
    yield f"The clock is {known.status}: {known.reason}."
    if known.time:
        yield (
            f"It is {known.time.time}, within {_us(known.time.bound_ns)} at most, "
            f"{_us(known.time.sigma_ns)} as a standard uncertainty; the system clock is "
            f"{_us(known.time.system_minus_time_ns, signed=True)} from it."
        )
    if known.bound and known.bound.root_distance_ns is not None:
        yield (
            f"Of the bound, {_us(known.bound.root_distance_ns)} are the root distance of "
            f"{known.bound.narrowest_source}; without measurements it grows by "
            f"{_us(round(known.bound.growth_ns_per_s))} per second."
        )
    if known.calibration:
        yield (
            f"{known.calibration.coverage:.1%} of the 95 % intervals held what was measured, in "
            f"{known.calibration.measurements} measurements since the start."
        )
    yield from (f"Server {each.name}: {_believed(each)}, {each.why}." for each in known.sources)
    yield from (
        f"Model {each.name}: weight {each.weight:.2f}, {each.why}." for each in known.models
    )
    yield from (f"Problem: {problem}" for problem in known.problems)


def _believed(source: SourceWhy) -> str:
    return "believed" if source.believed else "not believed"


def _us(ns: int, *, signed: bool = False) -> str:
    return f"{ns / 1000:{'+' if signed else ''}.1f} us"
