"""The model itself; runs in the worker's environment only."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tsfm_public.models.tinytimemixer import TinyTimeMixerConfig, TinyTimeMixerForPrediction

from chronotick.plugin import ContextBatch, Forecast, ModelInfo
from chronotick.plugin.anchoring import TOLD, anchored, wants_anchored
from chronotick.plugin.gaps import steps_after, unbroken
from chronotick.plugin.pytorch import check_fits, parameters, prepare
from chronotick.plugin.scaling import standardise
from chronotick.plugin.weights import Weights, locate
from chronotick_ttm.architecture import covariates_of, read_config
from chronotick_ttm.windows import Windows, anchored_windows, resolution, windows

_log = logging.getLogger(__name__)


class TinyTimeMixer:
    """TinyTimeMixer r2; the checkpoint decides on context, horizon and covariates."""

    def __init__(self) -> None:
        self._model: Any = None
        self._max_horizon = 0
        self._covariates: tuple[str, ...] = ()
        self._told: set[str] = set()
        self._anchored = False

    def load(self, checkpoint: str, device: str, threads: int) -> ModelInfo:
        """Load weights; see :meth:`chronotick.plugin.Model.load`.

        Raises:
            FileNotFoundError: no weights, with where they were looked for.
            ValueError: weights that are damaged, incomplete, of another model, or of no use.
            RuntimeError: the device is not there.
        """
        weights = locate(checkpoint, "ttm")
        where = prepare(device, threads)
        config = read_config(weights)
        self._anchored = wants_anchored(weights)
        self._covariates = covariates_of(config, weights)
        self._model = _load(weights, config).to(where)
        self._max_horizon = _longest(config, alone=not self._covariates)
        max_context = config.context_length
        if self._anchored:
            self._max_horizon, max_context = config.prediction_length, max_context - TOLD
        return ModelInfo(
            checkpoint=weights.name,
            device=where,
            max_context=max_context,
            max_horizon=self._max_horizon,
            parameters=parameters(self._model),
        )

    def forecast(self, batch: ContextBatch, horizon: int, quantiles: Sequence[float]) -> Forecast:  # noqa: ARG002 - a point model
        """Forecast; see :meth:`chronotick.plugin.Model.forecast`.

        Raises:
            ValueError: a series holds no measurement, or its last one is too long ago; or the
                horizon is beyond the model's.
        """
        if horizon > self._max_horizon:
            raise ValueError(
                f"{horizon} steps were asked for, these weights give {self._max_horizon}"
            )
        length = self._model.config.context_length
        if self._anchored:
            ours = anchored(batch, length)
            answer = self._roll(anchored_windows(ours.values), horizon, batch.step_s)
            return Forecast(mean=ours.restore(answer))
        self._tell(batch)
        context = standardise(batch.values[:, -length:], batch.noise[:, -length:])
        standard = np.empty((len(batch.values), horizon))
        # A group ends with its last measurement: what is lacking after it is forecast too.
        for group in unbroken(context.values, length):
            steps = steps_after(group.rows, group.lag, horizon, self._max_horizon)
            window = windows(group, batch.covariates, self._covariates)
            standard[group.rows] = self._roll(window, steps, batch.step_s)[:, group.lag :]
        return Forecast(mean=context.restore(standard))

    def close(self) -> None:
        """Let go of the weights."""
        self._model = None

    def _tell(self, batch: ContextBatch) -> None:
        """Say once which covariates are not used, and which are missing."""
        given, used = set(batch.covariates), set(self._covariates)
        for names, what in (
            (given - used, "given, but not used by these weights"),
            (used - given, "used by these weights, but not given"),
        ):
            if names - self._told:
                _log.warning("covariates %s: %s", ", ".join(sorted(names)), what)
                self._told |= names

    def _roll(self, window: Windows, horizon: int, step_s: float) -> NDArray[np.float32]:
        """Return ``[series, horizon]``; a horizon beyond one pass reads its own forecast."""
        past = torch.from_numpy(window.past).to(self._model.device)
        observed = torch.from_numpy(window.observed).to(past)
        tokens = self._tokens(len(past), step_s)
        forecast = past[:, :0, :1]
        with torch.inference_mode():
            while forecast.shape[1] < horizon:
                answer = self._model(
                    past_values=past, past_observed_mask=observed, freq_token=tokens
                ).prediction_outputs
                forecast = torch.cat([forecast, answer], dim=1)
                if forecast.shape[1] < horizon:  # channels are independent, so there is one
                    length = past.shape[1]
                    past = torch.cat([past, answer], dim=1)[:, -length:]
                    observed = torch.cat([observed, torch.ones_like(answer)], dim=1)[:, -length:]
        steps: NDArray[np.float32] = forecast[:, :horizon, 0].cpu().numpy()
        return steps

    def _tokens(self, series: int, step_s: float) -> torch.Tensor | None:
        config = self._model.config
        if not config.resolution_prefix_tuning:
            return None
        token = resolution(step_s, config.frequency_token_vocab_size)
        return torch.full((series,), token, device=self._model.device)


def _load(weights: Weights, config: TinyTimeMixerConfig) -> TinyTimeMixerForPrediction:
    check_fits(weights, lambda: TinyTimeMixerForPrediction(config))
    return TinyTimeMixerForPrediction.from_pretrained(
        str(weights.directory), config=config, use_safetensors=True, local_files_only=True
    )


def _longest(config: TinyTimeMixerConfig, *, alone: bool) -> int:
    """Return the longest horizon.

    As many passes as leave a measured value in a full context; one with covariates, whose future
    is not known.
    """
    pass_steps: int = config.prediction_filter_length or config.prediction_length
    passes = -(-config.context_length // pass_steps) if alone else 1
    return pass_steps * passes
