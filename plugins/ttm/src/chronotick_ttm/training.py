"""TinyTimeMixer trained with the library's own loss; in the environment only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from tsfm_public.models.tinytimemixer import TinyTimeMixerConfig, TinyTimeMixerForPrediction

from chronotick.plugin.gaps import unbroken
from chronotick.plugin.training.frames import Batch, Header
from chronotick.plugin.training.settings import Training, section
from chronotick.plugin.training.trainee import (
    Inputs,
    standard_target,
    standardised,
    weighted,
    weights_of,
)
from chronotick_ttm.windows import windows

_LOSSES: Final = ("mse", "mae", "huber")


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Section ``model`` of a recipe, by the library's names; sizes as those of 512-96-r2.

    Attributes:
        d_model: width of the backbone.
        decoder_d_model: width of the decoder.
        patch_length: steps that make a patch.
        num_layers: of the backbone, at each level of patching.
        decoder_num_layers: of the decoder.
        expansion_factor: how much wider blocks are inside.
        adaptive_patching_levels: how often patches are halved.
        dropout: share of activations left out while learning. No example comes twice: without, the
            loss falls faster.
        head_dropout: same, before the forecast.
        loss: ``mse``, ``mae`` or ``huber``.
        huber_delta: in standard deviations of the context, where ``huber`` turns linear.
        lag: steps that a forecast of one pass reaches beyond the usual ones: those that lie
            between the last measurement and the end of the context.
    """

    d_model: int = 192
    decoder_d_model: int = 128
    patch_length: int = 64
    num_layers: int = 2
    decoder_num_layers: int = 2
    expansion_factor: int = 2
    adaptive_patching_levels: int = 3
    dropout: float = 0.0
    head_dropout: float = 0.0
    loss: str = "mae"
    huber_delta: float = 1.0
    lag: int = 32

    def __post_init__(self) -> None:
        if self.loss not in _LOSSES:
            raise ValueError(f"model.loss is one of {', '.join(_LOSSES)}, not {self.loss!r}")
        if self.lag < 0:
            raise ValueError("model.lag must not be negative")


class TinyTimeMixer:
    """See :class:`chronotick.plugin.training.trainee.Trainee`."""

    title = "TinyTimeMixer for clocks"
    library = "granite-tsfm"

    def __init__(self, size: Mapping[str, Any], header: Header, training: Training) -> None:
        self._training, self._reach = training, header.reach
        settings = section(Size, {"model": size}, "model")
        self._length = header.context
        self.levels: tuple[float, ...] = ()
        self.network = TinyTimeMixerForPrediction(_config(settings, header))

    def prepare(self, batch: Batch) -> Inputs:
        """Let every window end with its last measurement, as the worker does.

        The steps from there to the end of the context are forecast and not judged: what they were
        is not known.
        """
        context = standardised(batch)
        shape = (len(batch), self._length, 1)
        past, observed = np.zeros(shape, np.float32), np.zeros(shape, bool)
        lags = np.zeros(len(batch), np.int64)
        for group in unbroken(context.values, self._length):
            window = windows(group, {}, ())
            past[group.rows], observed[group.rows] = window.past, window.observed
            lags[group.rows] = group.lag
        steps: int = self.network.config.prediction_length
        ahead = lags[:, np.newaxis] + np.arange(self._reach)
        limit, floor = self._training.target_limit, self._training.sigma_floor
        target = _shifted(standard_target(batch, context, limit), ahead, steps)
        weights = _shifted(weights_of(batch, context, floor), ahead, steps)
        tensors = {
            "past": torch.from_numpy(past),
            "observed": torch.from_numpy(observed),
            "future": torch.from_numpy(np.nan_to_num(target))[..., np.newaxis],
            "known": torch.from_numpy(np.isfinite(target))[..., np.newaxis],
            "weights": torch.from_numpy(np.nan_to_num(weights))[..., np.newaxis],
            "ahead": torch.from_numpy(ahead),
        }
        return Inputs(tensors, context)

    def answer(self, inputs: Inputs) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the loss that the configuration names, over what is known, and points."""
        given = inputs.tensors
        with weighted(self.network.head, given["weights"]):
            answer = self.network(
                past_values=given["past"],
                past_observed_mask=given["observed"].to(given["past"]),
                future_values=given["future"],
                future_observed_mask=given["known"],
            )
        points, ahead = answer.prediction_outputs[..., 0], given["ahead"]
        steps = points.shape[1]
        picked = points.gather(1, ahead.clamp(max=steps - 1))
        return answer.loss, picked.masked_fill(ahead >= steps, torch.nan)[..., None]


def _shifted(
    target: NDArray[np.float32], ahead: NDArray[np.int64], steps: int
) -> NDArray[np.float32]:
    """Return targets where the network forecasts them: after the last measurement."""
    shifted = np.full((len(target), steps), np.nan, np.float32)
    rows, columns = np.nonzero(ahead < steps)
    shifted[rows, ahead[rows, columns]] = target[rows, columns]
    return shifted


def _config(size: Size, header: Header) -> TinyTimeMixerConfig:
    return TinyTimeMixerConfig(
        context_length=header.context,
        prediction_length=header.reach + size.lag,
        patch_length=size.patch_length,
        patch_stride=size.patch_length,
        d_model=size.d_model,
        decoder_d_model=size.decoder_d_model,
        num_layers=size.num_layers,
        decoder_num_layers=size.decoder_num_layers,
        expansion_factor=size.expansion_factor,
        adaptive_patching_levels=size.adaptive_patching_levels,
        dropout=size.dropout,
        head_dropout=size.head_dropout,
        loss=size.loss,
        huber_delta=size.huber_delta,
    )
