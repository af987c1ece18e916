"""TimesFM 3: multivariate, past covariates, one pass for any horizon.

Its published weights are not free: see :data:`LICENCE`.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from timesfm3 import TimesFM3Forecaster, TimesFM3Torch

from chronotick.plugin.covariates import PastCovariates, alike
from chronotick.plugin.pytorch import check_fits, parameters
from chronotick.plugin.weights import CONFIG, Weights

MARK: Final = "pre_transformer_resblock.hidden_layer.weight"
"""A tensor that only this version has."""

LICENCE: Final = "timesfm-non-commercial-license-v1.0"

_MAX_HORIZON: Final = 1024  # of version 2.5; no limit is published
_BATCH: Final = 64  # series in one pass

logger = logging.getLogger(__name__)


class Version3:
    """Loaded weights of TimesFM 3.

    Args:
        weights: where they are.
        device: ``"cpu"`` or ``"cuda:n"``.

    Raises:
        FileNotFoundError: there is no ``config.json``, which holds the size.
        ValueError: tensors are missing, too many, or of other shapes.
    """

    def __init__(self, weights: Weights, device: str) -> None:
        if not (weights.directory / CONFIG).is_file():
            raise FileNotFoundError(f"{weights.directory} lacks {CONFIG}, which TimesFM 3 needs")
        config = weights.config()
        check_fits(weights, lambda: TimesFM3Torch(**config))
        logger.warning(
            "%s is TimesFM 3. Weights that Google publishes for it are under %s: "
            "no commercial and no production use",
            weights.name,
            LICENCE,
        )
        self._forecaster = TimesFM3Forecaster.from_pretrained(
            str(weights.directory), device=device, per_core_batch_size=_BATCH
        )
        model = self._forecaster.model
        self.device = device
        self.levels = [float(level) for level in model.quantiles]
        self.max_horizon = _MAX_HORIZON
        self.max_context = int(self._forecaster.global_context)
        self._most = int(model.transformer_config.transformer.max_variates) - 1  # one is the target
        self.parameters = parameters(model)
        # The library collects garbage after every forecast: 170 ms over all that was imported,
        # unless that is set aside.
        gc.collect()
        gc.freeze()

    def ask(
        self,
        series: NDArray[np.float32],
        covariates: Sequence[PastCovariates],
        horizon: int,
    ) -> NDArray[np.float32]:
        """Return ``[series, horizon, level]``; every series ends with a measurement.

        The library drops missing values at the start and interpolates the others linearly; of
        covariates too, whose last value it holds to the end.

        Raises:
            ValueError: more covariates than the model was made for.
        """
        most = max(map(len, covariates), default=0)
        if most > self._most:
            raise ValueError(f"TimesFM 3 takes at most {self._most} covariates, not {most}")
        answer = np.empty((len(series), horizon, len(self.levels)), dtype=np.float32)
        for group in alike(covariates):
            past = [np.stack([*covariates[row].values()]) for row in group if covariates[row]]
            outputs = self._forecaster.predict_batch(
                list(series[group]),
                horizon,
                past_only_covariates=past or None,
                return_quantiles=True,
            )
            answer[group] = [output.quantiles for output in outputs]
        return answer
