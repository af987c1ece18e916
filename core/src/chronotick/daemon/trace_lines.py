"""What the lines of a debug trace hold. Times are RAW in ns, offsets UTC - RAW, the rest in SI."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Collection, Mapping
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from numpy.typing import NDArray

from chronotick.clock import ContextWindow, HostClocks
from chronotick.config.schema import Config
from chronotick.daemon.publisher import Plan
from chronotick.daemon.status import Transition
from chronotick.daemon.trace import Line
from chronotick.history import boot_id
from chronotick.models import LEVELS
from chronotick.models.forecast import PathForecast
from chronotick.ntp import Measurement, Selection
from chronotick.plugin.contract import ContextBatch, Forecast


def header(config: Config, origins: Mapping[str, str], clocks: HostClocks) -> Line:
    """The host, its clocks and the configuration.

    Args:
        config: as used.
        origins: where each installed model comes from, with its version.
        clocks: as they were when the clockwork began.
    """
    return {
        "chronotick": version("chronotick"),
        "python": platform.python_version(),
        "system": platform.platform(),
        "cpus": os.cpu_count(),
        "boot_id": boot_id(),
        **asdict(clocks),
        "models": dict(origins),
        "config": config.model_dump(mode="json"),
    }


def began(
    believed: Collection[str], saved: Mapping[str, Any] | None, skill: Mapping[str, Any]
) -> Line:
    """What the daemon went on from.

    Args:
        believed: sources that were believed before.
        saved: snapshot of the timekeeper; ``None``: the clock was begun anew.
        skill: snapshot of the models' scores.
    """
    return {"kind": "began", "believed": sorted(believed), "timekeeper": saved, "skill": skill}


def exchange(measurement: Measurement, selection: Selection) -> Line:
    """An accepted answer, and what selection made of its source."""
    reason = selection.reasons.get(measurement.source)
    return {
        "kind": "exchange",
        "source": measurement.source,
        "taken_raw_ns": selection.raw_ns,
        "used": selection.uses(measurement.source),
        "why": reason.words if reason else "",
        "measurement": asdict(measurement),
    }


def unanswered(
    source: str, selection: Selection, drops: Mapping[str, int], error: str, *, refused: bool
) -> Line:
    """An exchange without a valid answer.

    Args:
        source: that was asked.
        selection: after it.
        drops: dropped replies and failed exchanges of the source so far, by reason.
        error: why, in words.
        refused: the server has refused service, and not answered since.
    """
    return {
        "kind": "exchange",
        "source": source,
        "taken_raw_ns": selection.raw_ns,
        "used": False,
        "why": error,
        "drops": dict(drops),
        "refused": refused,
    }


def innovation(source: str, sigmas: float, poll_s: float | None) -> Line:
    """How far a measurement was from what was expected, and when the source is asked next."""
    return {"kind": "innovation", "source": source, "sigmas": _number(sigmas), "poll_s": poll_s}


def context(
    loop: str, model: str, horizon: int, window: ContextWindow, batch: ContextBatch
) -> Line:
    """What a model was asked with."""
    return {
        "kind": "context",
        "loop": loop,
        "model": model,
        "issued_raw_ns": window.trend.raw_ns,
        "newest_raw_ns": window.newest_raw_ns,
        "trend": {"offset_ns": window.trend.offset_ns, "frequency": window.trend.frequency},
        "step_s": batch.step_s,
        "horizon": horizon,
        "values": _numbers(batch.values[0]),
        "noise": _numbers(batch.noise[0]),
        "trend_covariance": _numbers(batch.trend_covariance[0]),
        "expected": _numbers(batch.expected[0]) if batch.expected.size else [],
        "expected_sigma": _numbers(batch.expected_sigma[0]) if batch.expected_sigma.size else [],
        "covariates": {name: _numbers(values[0]) for name, values in batch.covariates.items()},
    }


def forecast(
    loop: str, model: str, window: ContextWindow, answer: Forecast, latency_s: float
) -> Line:
    """What a model answered: residuals beyond the tangent of the context's trend, in s."""
    quantiles = answer.quantiles
    return {
        "kind": "forecast",
        "loop": loop,
        "model": model,
        "issued_raw_ns": window.trend.raw_ns,
        "step_s": window.step_ns * 1e-9,
        "latency_s": latency_s,
        "mean": _numbers(answer.mean[0]),
        "levels": list(LEVELS) if quantiles is not None else [],
        "quantiles": [] if quantiles is None else [_numbers(each) for each in quantiles[0]],
    }


def expectation(loop: str, path: PathForecast) -> Line:
    """That the estimator's own expectation was taken; its values stand in the plans."""
    return {
        "kind": "forecast",
        "loop": loop,
        "model": path.model,
        "issued_raw_ns": path.issued_raw_ns,
        "known_raw_ns": path.known_raw_ns,
        "step_s": path.step_ns * 1e-9,
        "steps": len(path.residual) - 1,
        "latency_s": path.latency_s,
    }


def failure(loop: str, model: str, window: ContextWindow, error: Exception) -> Line:
    """That a model was asked and had no forecast."""
    return {
        "kind": "forecast",
        "loop": loop,
        "model": model,
        "issued_raw_ns": window.trend.raw_ns,
        "failure": f"{type(error).__name__}: {error}",
    }


def plan(made: Plan) -> Line:
    """Where time should be, and what it is worth; an offset of ``None``: nothing to offer."""
    target = made.target
    line: dict[str, Any] = {
        "kind": "plan",
        "made_raw_ns": made.made_raw_ns,
        "status": made.about.status.words,
        "source": made.about.source.name.lower(),
        "measurements": made.about.measurements,
        "generation": made.generation,
        "offset_ns": None,
    }
    if target is None:
        return line
    return line | {
        "offset_ns": target.offset_ns,
        "rate": target.rate,
        "sigma_ns": target.sigma_ns,
        "sigma_rate": target.sigma_rate,
        "low_ns": target.low_ns,
        "high_ns": target.high_ns,
        "low_rate": target.low_rate,
        "high_rate": target.high_rate,
    }


def weights(made: Plan) -> Line:
    """The members of a plan that has a target, with why each has its weight."""
    members = made.target.fused.members if made.target is not None else ()
    return {
        "kind": "weights",
        "made_raw_ns": made.made_raw_ns,
        "members": [{key: _number(value) for key, value in asdict(m).items()} for m in members],
    }


def state(transition: Transition) -> Line:
    """A change of what the time is worth."""
    return {
        "kind": "state",
        "at_raw_ns": transition.raw_ns,
        "before": transition.before.words,
        "after": transition.after.words,
        "reason": transition.reason,
    }


def slept(clocks: HostClocks) -> Line:
    """That the host was suspended."""
    return {"kind": "slept", "at_raw_ns": clocks.raw_ns, "suspended_ns": clocks.suspended_ns}


def _numbers(values: NDArray[Any]) -> list[float | None]:
    return [_number(value) for value in values.tolist()]


def _number(value: Any) -> Any:  # noqa: ANN401 - any JSON type
    """A value as JSON has it: no NaN, no infinity."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
