"""The model itself; runs in the worker's environment only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from toto.model.backbone import TotoBackbone
from toto.model.toto import Toto as TotoModel

from chronotick.plugin import ContextBatch, Forecast, ModelInfo
from chronotick.plugin.gaps import Unbroken, steps_after, unbroken
from chronotick.plugin.pytorch import check_fits, parameters, prepare, shapes
from chronotick.plugin.quantiles import median_and_quantiles
from chronotick.plugin.scaling import standardise
from chronotick.plugin.weights import CONFIG, Weights, locate
from chronotick_toto.decoding import later_patches, next_patch, patch_size, read
from chronotick_toto.mixture import quantiles as mixture_quantiles

_MAX_CONTEXT: Final = 4096  # as in the library's documentation; weights do not say
_MAX_HORIZON: Final = 1024
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
            ValueError: weights that are damaged, incomplete, or of another model.
            RuntimeError: the device is not there.
        """
        weights = locate(checkpoint, "toto", needed=(CONFIG, _TENSORS))
        _check(weights)
        where = prepare(device, threads)
        toto = TotoModel.from_pretrained(str(weights.directory), strict=True, map_location=where)
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
        return median_and_quantiles(
            lambda levels: context.restore(self._standard(context.values, horizon, levels)),
            quantiles,
        )

    def close(self) -> None:
        """Let go of the weights."""
        self._model = None

    def _standard(
        self, values: NDArray[np.float64], horizon: int, levels: Sequence[float]
    ) -> NDArray[np.float64]:
        """Return ``[series, horizon, level]`` for standardised contexts."""
        standard = np.empty((len(values), horizon, len(levels)))
        # The mask keeps gaps out of the model's scaling only: the transformer reads what stands
        # there like any other value (github.com/DataDog/toto, issue 57). So it should be likely.
        for group in unbroken(values, patch_size(self._model)):
            steps = steps_after(group.rows, group.lag, horizon, _MAX_HORIZON)
            standard[group.rows] = self._quantiles(group, steps, levels)[:, group.lag :]
        return standard

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


def _check(weights: Weights) -> None:
    """Refuse other models, and weights that are not all of this one, before they are read."""
    configuration = weights.config()
    outputs = configuration.get("output_distribution_classes")
    if outputs is None or "scaler_cls" not in configuration:
        kind = configuration.get("architectures") or configuration.get("model_type") or "unnamed"
        raise ValueError(
            f"{weights.name} holds another model ({kind}), not Toto 1, whose {CONFIG} names "
            "output_distribution_classes and scaler_cls"
        )
    if outputs != [_MIXTURE]:
        raise ValueError(f"{weights.name} has outputs {outputs}: only {_MIXTURE} is supported")
    # The setting names a GPU library that is not installed here; loading turns it off as well.
    settings = configuration | {"use_memory_efficient_attention": False}
    check_fits(weights, lambda: TotoModel(**settings), _named(shapes(weights)))


def _named(stored: Mapping[str, Sequence[int]]) -> dict[str, Sequence[int]]:
    """Name stored tensors as the model does.

    Rotary embeddings are computed, and published files have names of fused SwiGLU layers.
    """
    named: dict[str, Sequence[int]] = TotoModel._map_state_dict_keys(stored, use_fused_swiglu=False)  # noqa: SLF001 - what the library itself applies
    return {name: shape for name, shape in named.items() if not name.endswith("rotary_emb.freqs")}
