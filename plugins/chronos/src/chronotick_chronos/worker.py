"""The model itself; runs in the worker's environment only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import torch
from chronos import BaseChronosPipeline
from numpy.typing import NDArray

from chronotick.plugin import ContextBatch, Forecast, ModelInfo, at_levels
from chronotick.plugin.pytorch import check_complete, parameters, prepare
from chronotick.plugin.scaling import standardise
from chronotick.plugin.weights import locate

_MAX_HORIZON: Final = 1024
_MEDIAN: Final = 0.5


class Chronos:
    """Chronos-Bolt or Chronos-2, whichever the checkpoint is."""

    def __init__(self) -> None:
        self._pipeline: Any = None
        self._levels: list[float] = []

    def load(self, checkpoint: str, device: str, threads: int) -> ModelInfo:
        """Load weights; see :meth:`chronotick.plugin.Model.load`.

        Raises:
            FileNotFoundError: no weights, with where they were looked for.
            ValueError: weights that are incomplete, or of another model.
            RuntimeError: the device is not there.
        """
        weights = locate(checkpoint, "chronos")
        where = prepare(device, threads)
        pipeline = BaseChronosPipeline.from_pretrained(
            str(weights.directory), device_map=where, dtype=torch.float32
        )
        if not hasattr(pipeline, "quantiles"):
            raise ValueError(
                f"{weights.name} is a {type(pipeline).__name__}: only Bolt and 2 are supported"
            )
        check_complete(pipeline.inner_model, weights.files())
        self._pipeline = pipeline
        self._levels = [float(level) for level in pipeline.quantiles]
        return ModelInfo(
            checkpoint=weights.name,
            device=where,
            max_context=int(pipeline.model_context_length),
            max_horizon=_MAX_HORIZON,
            parameters=parameters(pipeline.inner_model),
        )

    def forecast(self, batch: ContextBatch, horizon: int, quantiles: Sequence[float]) -> Forecast:
        """Forecast; see :meth:`chronotick.plugin.Model.forecast`.

        Raises:
            ValueError: a series holds no measurement.
        """
        length = self._pipeline.model_context_length
        context = standardise(batch.values[:, -length:], batch.noise[:, -length:])
        native = context.restore(self._native(context.values, horizon))
        wanted = at_levels(native, self._levels, [_MEDIAN, *quantiles])
        return Forecast(mean=wanted[:, :, 0], quantiles=wanted[:, :, 1:])

    def close(self) -> None:
        """Let go of the weights."""
        self._pipeline = None

    def _native(self, standard: NDArray[np.float64], horizon: int) -> NDArray[np.float32]:
        """Return ``[series, horizon, level]`` at the trained levels, for standardised contexts."""
        contexts = list(torch.from_numpy(standard.astype(np.float32)))
        with torch.inference_mode():
            answer, _median = self._pipeline.predict_quantiles(
                contexts, prediction_length=horizon, quantile_levels=self._levels
            )
        # Bolt answers with one tensor, Chronos-2 with a list of [variate, horizon, level].
        stacked = torch.cat(answer) if isinstance(answer, list) else answer
        native: NDArray[np.float32] = stacked.cpu().numpy()
        return native
