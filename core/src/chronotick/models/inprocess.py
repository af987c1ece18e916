"""A built-in model, run in the daemon itself."""

from __future__ import annotations

import importlib
import statistics
import time
from collections import deque
from collections.abc import Sequence

from chronotick.plugin.answers import check_forecast
from chronotick.plugin.contract import ContextBatch, Forecast, Model, ModelInfo, ModelSpec

LATENCIES_KEPT = 64


class ModelFailedError(Exception):
    """Raised when a model raises, or answers with something that is no forecast.

    Attributes:
        model: its name.
    """

    def __init__(self, model: str, error: Exception) -> None:
        self.model = model
        super().__init__(f"{model}: {type(error).__name__}: {error}")


class InProcessModel:
    """Loads a specification's class here and asks it.

    For ChronoTick's own models only, which answer in about a millisecond: nothing here can end one
    that hangs.

    Raises:
        ValueError: the model needs a worker process.
        ImportError, AttributeError: its class is not where the specification says.
    """

    def __init__(self, spec: ModelSpec) -> None:
        if spec.environment is not None:
            raise ValueError(f"{spec.name} needs a worker process")
        module, _, name = spec.worker.partition(":")
        self.spec = spec
        self.requests = 0
        self.answers = 0
        self.last_error = ""
        self._latencies_s: deque[float] = deque(maxlen=LATENCIES_KEPT)
        self._model: Model = getattr(importlib.import_module(module), name)()
        self.info: ModelInfo = self._model.load("", "cpu", 1)

    @property
    def latency_median_s(self) -> float | None:
        """Median time of the last answers; ``None`` before the first."""
        return statistics.median(self._latencies_s) if self._latencies_s else None

    def forecast(
        self, batch: ContextBatch, horizon: int, quantiles: Sequence[float]
    ) -> tuple[Forecast, float]:
        """Return the forecast and the seconds it took.

        Raises:
            ModelFailedError: the model raised, or its answer is no forecast.
        """
        steps = min(horizon, self.info.max_horizon)
        self.requests += 1
        started = time.perf_counter()
        try:
            answer = self._model.forecast(batch, steps, quantiles)
            forecast = check_forecast(answer, len(batch.values), steps, len(quantiles))
        except Exception as error:
            self.last_error = f"{type(error).__name__}: {error}"
            raise ModelFailedError(self.spec.name, error) from error
        latency_s = time.perf_counter() - started
        self.answers += 1
        self._latencies_s.append(latency_s)
        return forecast, latency_s
