"""TinyTimeMixer trained with the library's own loss; in the environment only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from tsfm_public.models.tinytimemixer import TinyTimeMixerConfig, TinyTimeMixerForPrediction

from chronotick.plugin.anchoring import KEY, NAME, TOLD
from chronotick.plugin.training.frames import Batch, Header
from chronotick.plugin.training.settings import Training, section
from chronotick.plugin.training.trainee import Inputs, anchored_inputs, anchored_target
from chronotick_ttm.windows import anchored_windows

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
        huber_delta: in sigmas, where ``huber`` turns linear.
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

    def __post_init__(self) -> None:
        if self.loss not in _LOSSES:
            raise ValueError(f"model.loss is one of {', '.join(_LOSSES)}, not {self.loss!r}")


class TinyTimeMixer:
    """See :class:`chronotick.plugin.training.trainee.Trainee`."""

    title = "TinyTimeMixer for clocks"
    library = "granite-tsfm"

    def __init__(self, size: Mapping[str, Any], header: Header, training: Training) -> None:
        self._limit = training.target_limit
        settings = section(Size, {"model": size}, "model")
        self.levels: tuple[float, ...] = ()
        self.network = TinyTimeMixerForPrediction(_config(settings, header))
        _begin_as_the_filter(self.network.head.base_forecast_block)

    def prepare(self, batch: Batch) -> Inputs:
        """Anchor contexts and targets, and close the gaps, as the worker does."""
        context = anchored_inputs(batch)
        window = anchored_windows(context.values)
        target = anchored_target(batch, context, self._limit)
        tensors = {
            "past": torch.from_numpy(window.past),
            "observed": torch.from_numpy(window.observed),
            "future": torch.from_numpy(np.nan_to_num(target))[..., np.newaxis],
            "known": torch.from_numpy(np.isfinite(target))[..., np.newaxis],
        }
        return Inputs(tensors, context)

    def answer(self, inputs: Inputs) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the loss that the configuration names, over what is known, and points."""
        given = inputs.tensors
        answer = self.network(
            past_values=given["past"],
            past_observed_mask=given["observed"].to(given["past"]),
            future_values=given["future"],
            future_observed_mask=given["known"],
        )
        return answer.loss, answer.prediction_outputs


def _begin_as_the_filter(head: torch.nn.Linear) -> None:
    """Let a network repeat the filter, whatever it reads.

    What is learnt is what the filter does not know, and weight decay leads back to the filter.
    """
    torch.nn.init.zeros_(head.weight)
    torch.nn.init.zeros_(head.bias)


def _config(size: Size, header: Header) -> TinyTimeMixerConfig:
    return TinyTimeMixerConfig(
        context_length=TOLD + header.context,
        prediction_length=header.reach,
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
        scaling=None,  # contexts have a scale already
        **{KEY: NAME},
    )
