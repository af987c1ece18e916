"""The model itself; runs in the worker's environment only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from sktime.libs.timemoe import TimeMoeForPrediction
from sktime.libs.timemoe.timemoe_config import TimeMoeConfig

from chronotick.plugin import ContextBatch, Forecast, ModelInfo
from chronotick.plugin.gaps import Unbroken, unbroken
from chronotick.plugin.pytorch import check_fits, parameters, prepare
from chronotick.plugin.scaling import standardise
from chronotick.plugin.weights import Weights, locate

MAX_CONTEXT: Final = 512
"""Samples used of a context: every sample is a token, and cost grows faster than their number.

The published models take 4096 tokens, context and forecast together; README tells what they cost.
"""

_MODEL_TYPE: Final = "time_moe"
_ATTENTION: Final = "eager"  # the only one the library has without a GPU library


class TimeMoe:
    """Time-MoE: a decoder that reads one sample per token and writes 1, 8, 32 or 64 at a time."""

    def __init__(self) -> None:
        self._model: Any = None

    def load(self, checkpoint: str, device: str, threads: int) -> ModelInfo:
        """Load weights; see :meth:`chronotick.plugin.Model.load`.

        Raises:
            FileNotFoundError: no weights, with where they were looked for.
            ValueError: weights that are damaged, incomplete, or of another model.
            RuntimeError: the device is not there.
        """
        weights = locate(checkpoint, "time-moe")
        _check(weights)
        where = prepare(device, threads)
        model = TimeMoeForPrediction.from_pretrained(
            str(weights.directory),
            torch_dtype=torch.float32,  # published as bfloat16, which few CPUs compute with
            attn_implementation=_ATTENTION,
            use_safetensors=True,
        )
        self._model = model.to(where).eval()
        positions = int(model.config.max_position_embeddings)
        context = min(MAX_CONTEXT, positions // 2)
        return ModelInfo(
            checkpoint=weights.name,
            device=where,
            max_context=context,
            max_horizon=positions - context,
            parameters=parameters(model),
        )

    def forecast(self, batch: ContextBatch, horizon: int, quantiles: Sequence[float]) -> Forecast:  # noqa: ARG002 - it has points only
        """Forecast; see :meth:`chronotick.plugin.Model.forecast`.

        Raises:
            ValueError: a series holds no measurement among its newest :data:`MAX_CONTEXT` samples.
        """
        context = standardise(batch.values[:, -MAX_CONTEXT:], batch.noise[:, -MAX_CONTEXT:])
        standard = np.empty((len(batch.values), horizon))
        # Unmasked: the library counts positions where there is no mask only, so that masking a gap
        # deletes it and time shrinks. In a group all series have one length and need no padding.
        for group in unbroken(context.values):
            standard[group.rows] = self._generate(group, horizon + group.lag)[:, group.lag :]
        return Forecast(mean=context.restore(standard))

    def close(self) -> None:
        """Let go of the weights."""
        self._model = None

    def _generate(self, group: Unbroken, steps: int) -> NDArray[np.float32]:
        """Return the ``[series, steps]`` after the last measurement of each series."""
        tokens = torch.from_numpy(group.values.astype(np.float32)).to(self._model.device)
        with torch.inference_mode():
            written = self._model.generate(
                tokens,
                attention_mask=torch.ones_like(tokens, dtype=torch.int64),
                max_new_tokens=steps,
                do_sample=False,
                num_beams=1,
            )
        forecast: NDArray[np.float32] = written[:, -steps:].cpu().numpy()
        return forecast


def _check(weights: Weights) -> None:
    """Refuse other models, and weights that are not all of this one, before they are read."""
    found = weights.config().get("model_type", "unnamed")
    if found != _MODEL_TYPE:
        raise ValueError(
            f"{weights.name} holds a model of type {found!r}, not {_MODEL_TYPE!r}: "
            "give weights of Time-MoE, e.g. --checkpoint time-moe=Maple728/TimeMoE-50M"
        )
    check_fits(weights, lambda: TimeMoeForPrediction(_configuration(weights)))


def _configuration(weights: Weights) -> TimeMoeConfig:
    return TimeMoeConfig.from_pretrained(str(weights.directory), attn_implementation=_ATTENTION)
