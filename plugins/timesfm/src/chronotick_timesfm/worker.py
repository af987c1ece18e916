"""The model itself; runs in the worker's environment only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from chronotick.plugin import ContextBatch, Forecast, ModelInfo, at_levels
from chronotick.plugin.covariates import past_covariates
from chronotick.plugin.gaps import by_end, steps_after
from chronotick.plugin.pytorch import prepare, shapes
from chronotick.plugin.quantiles import median_and_quantiles
from chronotick.plugin.scaling import standardise
from chronotick.plugin.weights import Weights, locate
from chronotick_timesfm import version3, version25
from chronotick_timesfm.version3 import Version3
from chronotick_timesfm.version25 import Shapes, Version25


class TimesFM:
    """TimesFM 2.5 or 3, whichever the checkpoint is."""

    def __init__(self) -> None:
        self._model: Version25 | Version3 | None = None

    def load(self, checkpoint: str, device: str, threads: int) -> ModelInfo:
        """Load weights; see :meth:`chronotick.plugin.Model.load`.

        Raises:
            FileNotFoundError: no weights, with where they were looked for.
            ValueError: weights that are damaged, incomplete, or of another model.
            RuntimeError: the device is not there.
        """
        # Version 2.5 has no use for a config.json; 3 looks for its own.
        weights = locate(checkpoint, "timesfm", needed=())
        model = _load(weights, shapes(weights), prepare(device, threads))
        self._model = model
        return ModelInfo(
            checkpoint=weights.name,
            device=model.device,
            max_context=model.max_context,
            max_horizon=model.max_horizon,
            parameters=model.parameters,
        )

    def forecast(self, batch: ContextBatch, horizon: int, quantiles: Sequence[float]) -> Forecast:
        """Forecast; see :meth:`chronotick.plugin.Model.forecast`.

        Raises:
            ValueError: a series holds no measurement, or its last one is too long ago; or there
                are too many covariates.
            RuntimeError: nothing is loaded.
        """
        model = self._model
        if model is None:
            raise RuntimeError("timesfm: load() comes before forecast()")
        length = min(model.max_context, batch.values.shape[1])
        context = standardise(batch.values[:, -length:], batch.noise[:, -length:])
        native = context.restore(_ask(model, context.values, batch.covariates, horizon))
        return median_and_quantiles(lambda at: at_levels(native, model.levels, at), quantiles)

    def close(self) -> None:
        """Let go of the weights."""
        self._model = None


def _ask(
    model: Version25 | Version3,
    values: NDArray[np.float64],
    covariates: Mapping[str, NDArray[np.float64]],
    horizon: int,
) -> NDArray[np.float32]:
    """Return ``[series, horizon, level]`` for standardised contexts.

    The library would hold the last value to the end of the context, as if it had been measured:
    each series ends with its last measurement instead, and what is lacking is forecast too.
    """
    past = past_covariates(covariates, *values.shape)
    length = values.shape[1]
    standard = np.empty((len(values), horizon, len(model.levels)), dtype=np.float32)
    for end, rows in by_end(values):
        lag = length - 1 - end
        steps = steps_after(rows, lag, horizon, model.max_horizon)
        known = [{name: row[: end + 1] for name, row in past[index].items()} for index in rows]
        series = values[rows, : end + 1].astype(np.float32)
        standard[rows] = model.ask(series, known, steps)[:, lag:]
    return standard


def _load(weights: Weights, stored: Shapes, device: str) -> Version25 | Version3:
    if version25.MARK in stored:
        return Version25(weights, stored, device)
    if version3.MARK in stored:
        return Version3(weights, device)
    raise ValueError(
        f"{weights.name} is no checkpoint of TimesFM 2.5 or 3 in the format of the timesfm "
        f"package: it has neither {version25.MARK} nor {version3.MARK}"
    )
