"""A built-in model, run in the daemon itself."""

from __future__ import annotations

import importlib
import statistics
import time
from collections import deque
from collections.abc import Sequence

import numpy as np

from chronotick.clock.state import ClockState
from chronotick.models.forecast import Expectation
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


class Baseline(InProcessModel):
    """The estimator's own expectation, in the place of a model: it needs no context."""

    def expectation(
        self, predictor: str, state: ClockState, at_raw_ns: int, step_ns: int, horizon: int
    ) -> Expectation:
        """Return the path that the estimator expects.

        Args:
            predictor: the loop that asks.
            state: the estimator's, at the newest measurement.
            at_raw_ns: RAW time now.
            step_ns: time between points.
            horizon: number of points.
        """
        self.requests += 1
        started = time.perf_counter()
        nothing = np.zeros(1 + min(horizon, self.info.max_horizon))
        path = Expectation(
            model=self.spec.name,
            predictor=predictor,
            trend=state,
            at_raw_ns=at_raw_ns,
            known_raw_ns=state.raw_ns,
            step_ns=step_ns,
            residual=nothing,
            claimed_sigma=nothing,
            latency_s=time.perf_counter() - started,
        )
        self.answers += 1
        self._latencies_s.append(path.latency_s)
        return path
