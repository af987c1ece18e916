"""The model itself; runs in the worker's environment only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from safetensors import safe_open

from chronotick.plugin import ContextBatch, Forecast, ModelInfo, at_levels
from chronotick.plugin.covariates import past_covariates
from chronotick.plugin.pytorch import prepare
from chronotick.plugin.scaling import standardise
from chronotick.plugin.weights import Weights, locate
from chronotick_timesfm import version3, version25
from chronotick_timesfm.version3 import Version3
from chronotick_timesfm.version25 import Shapes, Version25

_MEDIAN: Final = 0.5


class TimesFM:
    """TimesFM 2.5 or 3, whichever the checkpoint is."""

    def __init__(self) -> None:
        self._model: Version25 | Version3 | None = None

    def load(self, checkpoint: str, device: str, threads: int) -> ModelInfo:
        """Load weights; see :meth:`chronotick.plugin.Model.load`.

        Raises:
            FileNotFoundError: no weights, with where they were looked for.
            ValueError: weights that are incomplete, or of another model.
            RuntimeError: the device is not there.
        """
        # Version 2.5 has no use for a config.json; 3 looks for its own.
        weights = locate(checkpoint, "timesfm", needed=())
        shapes = _shapes(weights)
        where = prepare(device, threads)
        model = _load(weights, shapes, where)
        self._model = model
        return ModelInfo(
            checkpoint=weights.name,
            device=where,
            max_context=model.max_context,
            max_horizon=model.max_horizon,
            parameters=model.parameters,
        )

    def forecast(self, batch: ContextBatch, horizon: int, quantiles: Sequence[float]) -> Forecast:
        """Forecast; see :meth:`chronotick.plugin.Model.forecast`.

        Raises:
            ValueError: a series holds no measurement, or there are too many covariates.
            RuntimeError: nothing is loaded.
        """
        model = self._model
        if model is None:
            raise RuntimeError("timesfm: load() comes before forecast()")
        length = min(model.max_context, batch.values.shape[1])
        context = standardise(batch.values[:, -length:], batch.noise[:, -length:])
        series = context.values.astype(np.float32)
        standard = model.ask(series, past_covariates(batch.covariates, *series.shape), horizon)
        wanted = at_levels(context.restore(standard), model.levels, [_MEDIAN, *quantiles])
        return Forecast(mean=wanted[:, :, 0], quantiles=wanted[:, :, 1:])

    def close(self) -> None:
        """Let go of the weights."""
        self._model = None


def _load(weights: Weights, shapes: Shapes, device: str) -> Version25 | Version3:
    if version25.MARK in shapes:
        return Version25(weights, shapes, device)
    if version3.MARK in shapes:
        return Version3(weights, device)
    raise ValueError(
        f"{weights.name} is no checkpoint of TimesFM 2.5 or 3 in the format of the timesfm "
        f"package: it has neither {version25.MARK} nor {version3.MARK}"
    )


def _shapes(weights: Weights) -> Shapes:
    """Return the shape of each stored tensor; the tensors themselves are not read."""
    shapes: dict[str, Sequence[int]] = {}
    for path in weights.files():
        with safe_open(path, framework="pt") as file:
            shapes |= {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118 - no mapping
    return shapes
