"""Runs in the model's environment: the library asked directly.

Its functions are called by ``answering.py`` (``plugins/tests``), arguments and answers in JSON.
"""

from __future__ import annotations

import logging

import numpy as np
import torch
from tsfm_public.models.tinytimemixer import TinyTimeMixerForPrediction
from tsfm_public.toolkit.recursive_predictor import RecursivePredictor, RecursivePredictorConfig

from chronotick.plugin import ContextBatch
from chronotick_ttm import worker


def library(checkpoint: str, past: list, observed: list, token: int | None = None) -> list:
    """One pass of the library: ``[series][horizon]`` of the first channel."""
    model = TinyTimeMixerForPrediction.from_pretrained(checkpoint)
    answer = model(
        past_values=torch.tensor(past, dtype=torch.float32),
        past_observed_mask=torch.tensor(observed, dtype=torch.float32),
        freq_token=None if token is None else torch.full((len(past),), token),
    )
    return answer.prediction_outputs[:, :, 0].tolist()


def rolling(checkpoint: str, past: list, observed: list, horizon: int) -> list:
    """The library's own way beyond one pass: ``[series][horizon]``."""
    model = TinyTimeMixerForPrediction.from_pretrained(checkpoint)
    recursive = RecursivePredictor(
        RecursivePredictorConfig(
            model=model,
            requested_prediction_length=horizon,
            model_prediction_length=model.config.prediction_length,
            loss="mse",
        )
    )
    answer = recursive(
        past_values=torch.tensor(past, dtype=torch.float32),
        past_observed_mask=torch.tensor(observed, dtype=torch.float32),
        future_observed_mask=torch.ones(len(past), horizon, 1),  # it fails without
    )
    return answer.prediction_outputs[:, :horizon, 0].tolist()


def told(checkpoint: str, values: list, covariates: list[dict[str, list]]) -> list[str]:
    """What is logged during a forecast with each of these covariates."""
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    logger = logging.getLogger(worker.__name__)
    logger.addHandler(handler)
    model = worker.TinyTimeMixer()
    model.load(checkpoint, "cpu", 1)
    for given in covariates:
        model.forecast(_batch(values, 1.0, given), 4, [])
    logger.removeHandler(handler)
    return lines


def loaded(checkpoints: list[str]) -> list[list[int]]:
    """Context, horizon and number of weights of each."""
    infos = [worker.TinyTimeMixer().load(checkpoint, "cpu", 1) for checkpoint in checkpoints]
    return [[info.max_context, info.max_horizon, info.parameters] for info in infos]


def _batch(values: list, step_s: float, covariates: dict[str, list] | None = None) -> ContextBatch:
    context = np.array(values)
    return ContextBatch(
        values=context,
        noise=np.full(context.shape, 1e-7),
        step_s=step_s,
        trend_covariance=np.zeros((len(context), 4)),
        covariates={name: np.array(rows) for name, rows in (covariates or {}).items()},
    )
