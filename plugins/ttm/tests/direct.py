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
from chronotick.plugin.training.frames import Batch, Header
from chronotick.plugin.training.settings import Training
from chronotick_ttm import worker
from chronotick_ttm.training import TinyTimeMixer


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


def trained(directory: str) -> list[float]:
    """How far training is from what it says: of the worker's forecasts, and of the loss.

    In sigmas.
    """
    trainee, batch = trainee_of(directory), examples(6)
    inputs = trainee.prepare(batch)
    loss, z = (found.detach().numpy() for found in trainee.answer(inputs))
    sigma_s = inputs.context.sigma
    ours = abs((batch.target - batch.expected) / sigma_s - z[..., 0])
    answer = answered(directory, batch)
    answer = (answer - batch.expected) / sigma_s
    return [float(abs(answer - z[..., 0]).max()), float(abs(ours.mean() - loss))]


def begun(directory: str) -> list:
    """The forecast of weights that have learnt nothing, from what is expected."""
    trainee_of(directory, learnt=False)
    batch = examples(4)
    return (answered(directory, batch) - batch.expected).tolist()


def trainee_of(directory: str, *, learnt: bool = True) -> TinyTimeMixer:
    """Write small weights, which have learnt something, whatever that is."""
    torch.manual_seed(1)
    header = Header(model="ttm", recipe={}, out="", context=480)
    size = {"d_model": 16, "decoder_d_model": 8, "dropout": 0.0, "head_dropout": 0.0}
    trainee = TinyTimeMixer(size, header, Training(steps=1))
    if learnt:
        torch.nn.init.normal_(trainee.network.head.base_forecast_block.weight)
    trainee.network.save_pretrained(directory)
    return trainee


def answered(directory: str, batch: Batch) -> np.ndarray:
    """The worker's forecast."""
    model = worker.TinyTimeMixer()
    model.load(directory, "cpu", 1)
    question = ContextBatch(
        values=batch.values.astype(float),
        noise=batch.noise.astype(float),
        step_s=1.0,
        trend_covariance=batch.trend,
        expected=batch.expected.astype(float),
        expected_sigma=batch.sigma.astype(float),
    )
    return model.forecast(question, 64, []).mean


def examples(size: int) -> Batch:
    """Random walks with gaps; the last measurement of one lies 40 steps back."""
    rng = np.random.default_rng(1)
    walks = 1e-7 * rng.standard_normal((size, 544)).cumsum(axis=1).astype(np.float32)
    values, target = walks[:, :480].copy(), walks[:, 480:]
    values[rng.random(values.shape) < 0.2] = np.nan
    values[0, -40:] = np.nan
    return Batch(
        values=values,
        noise=np.full_like(values, 1e-7),
        target=target,
        expected=0.3 * target,
        sigma=np.tile(rng.uniform(1e-7, 1e-6, (size, 1)), 64).astype(np.float32),
        step_s=np.ones(size),
        trend=np.outer(rng.uniform(0.1, 10, size), (1e-14, 0.0, 1e-18, 1e-20)),
        kind=np.zeros(size, np.int32),
    )


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
