"""What the daemon says of its models: the answer to ``models``."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from chronotick.metrics.metric import Metric, Told, counter, gauge

Answer: TypeAlias = Mapping[str, Mapping[str, Any]]

MOST_MODELS: Final = 64
"""That have series."""

_MS: Final = 1e-3
_MIB: Final = 2**20


def _each(read: Callable[[Mapping[str, Any]], float | None]) -> Callable[[Answer], Told]:
    return lambda answer: {
        (name,): read(entry) for name, entry in itertools.islice(answer.items(), MOST_MODELS)
    }


def _of(key: str, scale: float = 1.0) -> Callable[[Answer], Told]:
    """Read a number that only some models have: one in the daemon's process never restarts."""

    def read(entry: Mapping[str, Any]) -> float | None:
        value = entry.get(key)
        return None if value is None else value * scale

    return _each(read)


METRICS: tuple[Metric, ...] = (
    gauge(
        "chronotick_model_ready",
        "1: the model answers; 0: it does not, or not yet.",
        _each(lambda entry: entry["state"] == "ready"),
        "model",
    ),
    gauge(
        "chronotick_model_weight",
        "The model's share of the fused forecast, 0 to 1.",
        _of("weight"),
        "model",
    ),
    gauge(
        "chronotick_model_latency_median_seconds",
        "Median time to an answer, of the model's last ones.",
        _of("latency_median_ms", _MS),
        "model",
    ),
    gauge(
        "chronotick_model_latency_p90_seconds",
        "Time that nine of ten of the model's last answers took at most.",
        _of("latency_p90_ms", _MS),
        "model",
    ),
    counter(
        "chronotick_model_requests_total",
        "Forecasts the model was asked for.",
        _of("requests"),
        "model",
    ),
    counter("chronotick_model_answers_total", "Forecasts it gave.", _of("answers"), "model"),
    counter(
        "chronotick_model_failures_total", "Forecasts it failed to give.", _of("failures"), "model"
    ),
    counter(
        "chronotick_model_deadline_misses_total",
        "Forecasts that were not there in time.",
        _of("deadline_misses"),
        "model",
    ),
    counter(
        "chronotick_model_restarts_total",
        "How often the model's worker was started again.",
        _of("restarts"),
        "model",
    ),
    gauge(
        "chronotick_model_memory_bytes",
        "Resident memory of the model's worker.",
        _of("memory_mb", _MIB),
        "model",
    ),
)
