"""The model itself; runs in the worker's environment only."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from toto.model.backbone import TotoBackbone
from toto.model.toto import Toto as TotoModel

from chronotick.plugin import ContextBatch, Forecast, ModelInfo
from chronotick.plugin.gaps import Unbroken, unbroken
from chronotick.plugin.pytorch import parameters, prepare
from chronotick.plugin.scaling import standardise
from chronotick.plugin.weights import CONFIG, Weights, locate
from chronotick_toto.decoding import later_patches, next_patch, patch_size, read
from chronotick_toto.mixture import quantiles as mixture_quantiles

_MAX_CONTEXT: Final = 4096  # as in the library's documentation; weights do not say
_MAX_HORIZON: Final = 1024
_MEDIAN: Final = 0.5
_TENSORS: Final = "model.safetensors"  # the library reads no other file
_MIXTURE: Final = "<class 'model.distribution.MixtureOfStudentTsOutput'>"


class Toto:
    """Toto 1: quantiles of the next patch by one pass, of what follows by sampling."""

    def __init__(self) -> None:
        self._model: TotoBackbone = None
        self._device = "cpu"

    def load(self, checkpoint: str, device: str, threads: int) -> ModelInfo:
        """Load weights; see :meth:`chronotick.plugin.Model.load`.

        Raises:
            FileNotFoundError: no weights, with where they were looked for.
            ValueError: weights that are incomplete, or of another model.
            RuntimeError: the device is not there.
        """
        weights = locate(checkpoint, "toto", needed=(CONFIG, _TENSORS))
        _check_configuration(weights)
        where = prepare(device, threads)
        toto = _load(weights, where)
        self._model, self._device = toto.model.eval(), where
        return ModelInfo(
            checkpoint=weights.name,
            device=where,
            max_context=_MAX_CONTEXT,
            max_horizon=_MAX_HORIZON,
            parameters=parameters(toto),
        )

    def forecast(self, batch: ContextBatch, horizon: int, quantiles: Sequence[float]) -> Forecast:
        """Forecast; see :meth:`chronotick.plugin.Model.forecast`.

        Raises:
            ValueError: a series holds no measurement, or its last one is too long ago.
        """
        latest = slice(-_MAX_CONTEXT, None)
        context = standardise(batch.values[:, latest], batch.noise[:, latest])
        levels = [_MEDIAN, *quantiles]
        standard = np.empty((len(batch.values), horizon, len(levels)))
        # The mask keeps gaps out of the model's scaling only: the transformer reads what stands
        # there like any other value (github.com/DataDog/toto, issue 57). So it should be likely.
        for group in unbroken(context.values, patch_size(self._model)):
            steps = _steps(group, horizon)
            standard[group.rows] = self._quantiles(group, steps, levels)[:, group.lag :]
        wanted = context.restore(standard)
        return Forecast(mean=wanted[:, :, 0], quantiles=wanted[:, :, 1:])

    def close(self) -> None:
        """Let go of the weights."""
        self._model = None

    def _quantiles(
        self, group: Unbroken, horizon: int, levels: Sequence[float]
    ) -> NDArray[np.float64]:
        """Return ``[series, horizon, level]`` after the last measurement of each series."""
        patch = patch_size(self._model)
        with torch.inference_mode():
            reading = read(self._model, group.values, group.mask, self._device)
            near = mixture_quantiles(next_patch(self._model, reading), levels)
            near = near.reshape(-1, patch, len(levels))
            if horizon <= patch:
                return near[:, :horizon]
            far = [
                np.quantile(later_patches(self._model, reading, series, horizon - patch), levels, 0)
                for series in range(len(group.rows))
            ]
        return np.concatenate([near, np.stack(far).transpose(0, 2, 1)], axis=1)


def _steps(group: Unbroken, horizon: int) -> int:
    """Return how many steps after the last measurement have to be forecast."""
    steps = group.lag + horizon
    if steps > _MAX_HORIZON:
        raise ValueError(
            f"series {group.rows.tolist()} end {group.lag} steps before their context does: "
            f"with {horizon} more {steps} have to be forecast, and at most {_MAX_HORIZON} can be"
        )
    return steps


def _check_configuration(weights: Weights) -> None:
    """Refuse other models before their weights are read."""
    text = (weights.directory / CONFIG).read_text(encoding="utf-8")
    configuration = json.loads(text)
    outputs = configuration.get("output_distribution_classes")
    if outputs is None or "scaler_cls" not in configuration:
        kind = configuration.get("architectures") or configuration.get("model_type") or "unnamed"
        raise ValueError(
            f"{weights.name} holds another model ({kind}), not Toto 1, whose {CONFIG} names "
            "output_distribution_classes and scaler_cls"
        )
    if outputs != [_MIXTURE]:
        raise ValueError(f"{weights.name} has outputs {outputs}: only {_MIXTURE} is supported")


def _load(weights: Weights, where: str) -> TotoModel:
    """Load all weights there are into a model that has a place for each of them."""
    try:
        toto = TotoModel.from_pretrained(str(weights.directory), strict=True, map_location=where)
    except RuntimeError as error:
        if "state_dict" not in str(error):
            raise  # no fault of the weights: a GPU's memory is full, for example
        said = " ".join(str(error).split())[:300]
        raise ValueError(f"{weights.name} is incomplete or not as configured: {said}") from error
    _check_nothing_left(toto, weights)
    return toto


def _check_nothing_left(toto: torch.nn.Module, weights: Weights) -> None:
    """Refuse tensors the model has no place for: the library drops them without a word.

    They would be further layers, or labels of covariates, without which the rest forecasts wrongly.
    """
    known = toto.state_dict().keys()
    # Rotary embeddings are computed; fused SwiGLU layers have other names, which the library maps.
    named_otherwise = ("rotary_emb.", ".mlp.0.w")
    with safe_open(weights.directory / _TENSORS, framework="pt") as stored:
        left = [
            name
            for name in stored.keys()  # noqa: SIM118 - no mapping
            if name not in known and not any(part in name for part in named_otherwise)
        ]
    if left:
        raise ValueError(
            f"{weights.name} holds {len(left)} tensors that its {CONFIG} has no place for, "
            f"e.g. {left[0]}"
        )
