"""A model that runs in the daemon itself."""

from __future__ import annotations

import importlib
import time
from collections.abc import Sequence

from chronotick.plugin.contract import ContextBatch, Forecast, Model, ModelInfo, ModelSpec


class InProcessModel:
    """Loads a specification's class here and asks it.

    Only for models without an environment: they answer in well under a millisecond.

    Raises:
        ValueError: the model needs a worker process.
        ImportError, AttributeError: its class is not where the specification says.
    """

    def __init__(self, spec: ModelSpec) -> None:
        if spec.environment is not None:
            raise ValueError(f"{spec.name} needs a worker process")
        module, _, name = spec.worker.partition(":")
        self.spec = spec
        self._model: Model = getattr(importlib.import_module(module), name)()
        self.info: ModelInfo = self._model.load("", "cpu", 1)

    def forecast(
        self, batch: ContextBatch, horizon: int, quantiles: Sequence[float]
    ) -> tuple[Forecast, float]:
        """Return the forecast and the seconds it took."""
        started = time.perf_counter()
        forecast = self._model.forecast(batch, min(horizon, self.info.max_horizon), quantiles)
        return forecast, time.perf_counter() - started
