"""The model itself; runs in the worker's environment only."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from chronos import BaseChronosPipeline
from numpy.typing import NDArray

from chronotick.plugin import ContextBatch, Forecast, ModelInfo, at_levels
from chronotick_chronos.weights import locate

_MAX_HORIZON: Final = 1024
_MEDIAN: Final = 0.5
_SMALLEST_SCALE_S: Final = 1e-12  # a picosecond: far below any clock's noise


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
        directory, name = locate(checkpoint)
        torch.set_num_threads(threads)
        where = _device(device)
        pipeline = BaseChronosPipeline.from_pretrained(
            str(directory), device_map=where, dtype=torch.float32
        )
        if not hasattr(pipeline, "quantiles"):
            raise ValueError(
                f"{name} is a {type(pipeline).__name__}: only Bolt and 2 are supported"
            )
        _check_complete(pipeline.inner_model, directory)
        self._pipeline = pipeline
        self._levels = [float(level) for level in pipeline.quantiles]
        return ModelInfo(
            checkpoint=name,
            device=where,
            max_context=int(pipeline.model_context_length),
            max_horizon=_MAX_HORIZON,
            parameters=sum(weight.numel() for weight in pipeline.inner_model.parameters()),
        )

    def forecast(self, batch: ContextBatch, horizon: int, quantiles: Sequence[float]) -> Forecast:
        """Forecast; see :meth:`chronotick.plugin.Model.forecast`.

        Raises:
            ValueError: a series holds no measurement.
        """
        values = batch.values[:, -self._pipeline.model_context_length :]
        location, scale = _moments(values, batch.noise[:, -values.shape[1] :])
        standard = (values - location[:, np.newaxis]) / scale[:, np.newaxis]
        native = self._native(standard, horizon)
        native = native * scale[:, np.newaxis, np.newaxis] + location[:, np.newaxis, np.newaxis]
        wanted = at_levels(native, self._levels, [_MEDIAN, *quantiles])
        return Forecast(mean=wanted[:, :, 0], quantiles=wanted[:, :, 1:])

    def close(self) -> None:
        """Let go of the weights."""
        self._pipeline = None

    def _native(self, standard: NDArray[np.float64], horizon: int) -> NDArray[np.float64]:
        """Return ``[series, horizon, level]`` at the trained levels, for standardised contexts."""
        contexts = list(torch.from_numpy(standard.astype(np.float32)))
        with torch.inference_mode():
            answer, _median = self._pipeline.predict_quantiles(
                contexts, prediction_length=horizon, quantile_levels=self._levels
            )
        # Bolt answers with one tensor, Chronos-2 with a list of [variate, horizon, level].
        stacked = torch.cat(answer) if isinstance(answer, list) else answer
        native: NDArray[np.float64] = stacked.cpu().numpy().astype(np.float64)
        return native


def _moments(
    values: NDArray[np.float64], noise: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return location and scale ``[series]`` of the measured values, both in seconds.

    A constant series has no spread to scale with: its measurement noise stands in.
    """
    measured = np.isfinite(values)
    if not measured.any(axis=1).all():
        empty = np.flatnonzero(~measured.any(axis=1)).tolist()
        raise ValueError(f"series {empty} hold no measurement: there is nothing to forecast from")
    location = np.nanmean(values, axis=1)
    spread = np.nanstd(values, axis=1)
    stand_in = np.nanmedian(np.where(np.isfinite(noise), noise, 0.0), axis=1)
    return location, np.where(
        spread > _SMALLEST_SCALE_S, spread, np.maximum(stand_in, _SMALLEST_SCALE_S)
    )


def _device(wanted: str) -> str:
    if wanted == "cpu":
        return "cpu"
    if torch.cuda.is_available():
        return "cuda:0" if wanted in {"auto", "cuda"} else wanted
    if wanted == "auto":
        return "cpu"
    raise RuntimeError(f"device {wanted} was asked for, but torch {torch.__version__} sees no GPU")


def _check_complete(model: torch.nn.Module, directory: Path) -> None:
    """Refuse a file that lacks tensors: the library leaves those random without a word."""
    from safetensors import safe_open

    files = sorted(directory.glob("model*.safetensors"))
    stored = {name for file in files for name in safe_open(file, framework="pt").keys()}  # noqa: SIM118 - no mapping
    tensors = model.state_dict()
    # Tied tensors are stored once and appear under several names.
    loaded = {tensor.data_ptr() for name, tensor in tensors.items() if name in stored}
    missing = [name for name, tensor in tensors.items() if tensor.data_ptr() not in loaded]
    if missing:
        raise ValueError(f"{directory} is incomplete: {len(missing)} tensors, e.g. {missing[0]}")
