"""The model itself; runs in the worker's environment only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import torch
from chronos import Chronos2Pipeline, ChronosBoltPipeline
from chronos.chronos2 import Chronos2Model
from chronos.chronos_bolt import ChronosBoltModelForForecasting
from numpy.typing import NDArray

from chronotick.plugin import ContextBatch, Forecast, ModelInfo, at_levels
from chronotick.plugin.anchoring import TOLD, Anchored, anchored, wants_anchored
from chronotick.plugin.covariates import alike, past_covariates
from chronotick.plugin.pytorch import check_fits, parameters, prepare
from chronotick.plugin.quantiles import median_and_quantiles
from chronotick.plugin.scaling import Standardised, standardise
from chronotick.plugin.weights import Weights, locate
from chronotick_chronos.plain import read_plainly

_MAX_HORIZON: Final = 1024
_SPARE: Final = 0.01  # what was trained on may have left buffers in the file; a layer is more
_BOLT: Final = "ChronosBoltModelForForecasting"
_CHRONOS2: Final = "Chronos2Model"
_LIBRARY: Final[Mapping[str, tuple[Any, Any]]] = {
    _BOLT: (ChronosBoltModelForForecasting, ChronosBoltPipeline),
    _CHRONOS2: (Chronos2Model, Chronos2Pipeline),
}


class Chronos:
    """Chronos-Bolt or Chronos-2, whichever the checkpoint is."""

    def __init__(self) -> None:
        self._pipeline: Any = None
        self._levels: list[float] = []
        self._takes_covariates = False
        self._anchored = False
        self._max_horizon = _MAX_HORIZON

    def load(self, checkpoint: str, device: str, threads: int) -> ModelInfo:
        """Load weights; see :meth:`chronotick.plugin.Model.load`.

        Raises:
            FileNotFoundError: no weights, with where they were looked for.
            ValueError: weights that are damaged, incomplete, or of another model.
            RuntimeError: the device is not there.
        """
        weights = locate(checkpoint, "chronos")
        architecture = _architecture(weights)
        self._anchored = wants_anchored(weights)
        if self._anchored and architecture != _BOLT:
            raise weights.unusable(f"of anchored contexts model chronos knows {_BOLT} only")
        model, pipelines = _LIBRARY[architecture]
        directory = str(weights.directory)
        configured = model.config_class.from_pretrained
        check_fits(weights, lambda: model(configured(directory)), spare=_SPARE)
        where = prepare(device, threads)
        pipeline = pipelines.from_pretrained(directory, device_map=where, dtype=torch.float32)
        self._pipeline = pipeline
        self._levels = [float(level) for level in pipeline.quantiles]
        self._takes_covariates = architecture == _CHRONOS2
        max_context = int(pipeline.model_context_length)
        if self._anchored:
            read_plainly(pipeline.model)
            max_context -= TOLD
            self._max_horizon = int(pipeline.model_prediction_length)
        return ModelInfo(
            checkpoint=weights.name,
            device=where,
            max_context=max_context,
            max_horizon=self._max_horizon,
            parameters=parameters(pipeline.inner_model),
        )

    def forecast(self, batch: ContextBatch, horizon: int, quantiles: Sequence[float]) -> Forecast:
        """Forecast; see :meth:`chronotick.plugin.Model.forecast`.

        Raises:
            ValueError: a series holds no measurement; or the horizon is beyond the model's.
        """
        if horizon > self._max_horizon:
            raise ValueError(
                f"{horizon} steps were asked for, these weights give {self._max_horizon}"
            )
        context = self._context(batch)
        series = context.values.astype(np.float32)
        if batch.covariates and self._takes_covariates:
            standard = self._with_covariates(series, batch.covariates, horizon)
        else:
            contexts = torch.from_numpy(series)
            # A list is what Chronos-2 wants; Bolt would put it together again, one by one.
            standard = self._ask(list(contexts) if self._takes_covariates else contexts, horizon)
        native = context.restore(standard)
        return median_and_quantiles(lambda at: at_levels(native, self._levels, at), quantiles)

    def close(self) -> None:
        """Let go of the weights."""
        self._pipeline = None

    def _context(self, batch: ContextBatch) -> Anchored | Standardised:
        length = int(self._pipeline.model_context_length)
        if self._anchored:
            return anchored(batch, length)
        return standardise(batch.values[:, -length:], batch.noise[:, -length:])

    def _with_covariates(
        self,
        series: NDArray[np.float32],
        covariates: Mapping[str, NDArray[np.float64]],
        horizon: int,
    ) -> NDArray[np.float32]:
        past = past_covariates(covariates, *series.shape)
        standard = np.empty((len(series), horizon, len(self._levels)), dtype=np.float32)
        for group in alike(past):
            tasks = [{"target": series[row], "past_covariates": past[row]} for row in group]
            standard[group] = self._ask(tasks, horizon)
        return standard

    def _ask(self, inputs: list[Any] | torch.Tensor, horizon: int) -> NDArray[np.float32]:
        """Return ``[series, horizon, level]`` at the trained levels, for standardised contexts."""
        with torch.inference_mode():
            answer, _median = self._pipeline.predict_quantiles(
                inputs, prediction_length=horizon, quantile_levels=self._levels
            )
        # Bolt answers with one tensor, Chronos-2 with a list of [variate, horizon, level].
        stacked = torch.cat(answer) if isinstance(answer, list) else answer
        native: NDArray[np.float32] = stacked.cpu().numpy()
        return native


def _architecture(weights: Weights) -> str:
    """Say what a checkpoint is, before a library guesses.

    Raises:
        ValueError: it is neither Bolt nor Chronos-2.
    """
    names = weights.config().get("architectures")
    name = names[0] if isinstance(names, list) and names else "of no stated architecture"
    if name not in _LIBRARY:
        raise ValueError(
            f"{weights.name} is {name}: model chronos loads Chronos-Bolt ({_BOLT}) "
            f"and Chronos-2 ({_CHRONOS2})"
        )
    return str(name)
