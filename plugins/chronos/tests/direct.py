"""Runs in the model's environment: the library asked directly.

Its functions are called by ``answering.py`` (``plugins/tests``), arguments and answers in JSON.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import torch
from chronos import BaseChronosPipeline
from safetensors.torch import load_file, save_file

from chronotick.plugin import ContextBatch
from chronotick.plugin.pytorch import parameters
from chronotick.plugin.training.frames import Batch, Header
from chronotick.plugin.training.settings import Training
from chronotick_chronos.tiny import build
from chronotick_chronos.training import ChronosBolt
from chronotick_chronos.worker import Chronos


def library(checkpoint: str, inputs: list, horizon: int) -> list:
    """Native quantiles ``[series][horizon][level]`` of the library, sorted."""
    pipeline = BaseChronosPipeline.from_pretrained(
        checkpoint, device_map="cpu", dtype=torch.float32
    )
    answer, _ = pipeline.predict_quantiles(
        [_input(item) for item in inputs],
        prediction_length=horizon,
        quantile_levels=pipeline.quantiles,
    )
    stacked = torch.cat(answer) if isinstance(answer, list) else answer
    return stacked.sort(dim=-1).values.tolist()


def _input(item: list | dict) -> torch.Tensor | dict:
    if isinstance(item, list):
        return torch.tensor(item, dtype=torch.float32)
    past = {name: np.array(values, np.float32) for name, values in item["past_covariates"].items()}
    return {"target": np.array(item["target"], np.float32), "past_covariates": past}


def counts(sizes: list[str]) -> list[int]:
    """Number of weights of each size of random checkpoint; nothing is allocated."""
    with torch.device("meta"):
        return [parameters(build(size)) for size in sizes]


def trained(directory: str) -> list[float]:
    """How far training is from what it says: of the worker's forecasts, and of the loss.

    In sigmas.
    """
    trainee, batch = trainee_of(directory), examples(4)
    inputs = trainee.prepare(batch)
    loss, z = trainee.answer(inputs)
    sigma_s = inputs.context.sigma
    errors = torch.from_numpy((batch.target - batch.expected) / sigma_s)[..., None] - z
    levels = torch.tensor(trainee.levels)
    ours = 2 * torch.maximum(levels * errors, (levels - 1) * errors).mean()
    answer = loaded(directory).forecast(as_question(batch), 64, trainee.levels).quantiles
    answer = (answer - batch.expected[..., None]) / sigma_s[..., None]
    difference = answer - np.sort(z.detach().numpy(), axis=-1)
    return [float(abs(difference).max()), float(abs(ours - loss))]


def begun(directory: str) -> list:
    """Mean, and 95 % interval, of weights that have learnt nothing, from what is expected."""
    trainee_of(directory, learnt=False)
    batch = examples(4)
    forecast = loaded(directory).forecast(as_question(batch), 64, [0.025, 0.975])
    z = forecast.quantiles - batch.expected[..., None]
    z /= batch.sigma[..., None]
    return [(forecast.mean - batch.expected).tolist(), z[..., 0].tolist(), z[..., 1].tolist()]


def asked_too_far(directory: str) -> str:
    """The error that a question beyond the reach ends with."""
    trainee_of(directory)
    try:
        loaded(directory).forecast(as_question(examples(1)), 65, [0.5])
    except ValueError as error:
        return str(error)
    return ""


def trainee_of(directory: str, *, learnt: bool = True) -> ChronosBolt:
    """Write small weights, which have learnt something, whatever that is."""
    torch.manual_seed(1)
    header = Header(model="chronos", recipe={}, out="", context=480)
    size = {"d_model": 32, "d_ff": 64, "d_kv": 8, "num_layers": 1, "dropout_rate": 0.0}
    trainee = ChronosBolt(size, header, Training(steps=1))
    if learnt:
        torch.nn.init.normal_(trainee.network.output_patch_embedding.residual_layer.weight)
    trainee.network.save_pretrained(directory)
    return trainee


def loaded(directory: str) -> Chronos:
    model = Chronos()
    model.load(directory, "cpu", 1)
    return model


def examples(size: int) -> Batch:
    """Random walks with gaps; how well their tangent is known differs."""
    rng = np.random.default_rng(1)
    walks = 1e-7 * rng.standard_normal((size, 544)).cumsum(axis=1).astype(np.float32)
    values, target = walks[:, :480].copy(), walks[:, 480:]
    values[rng.random(values.shape) < 0.2] = np.nan
    return Batch(
        values=values,
        noise=np.full_like(values, 1e-8),
        target=target,
        expected=0.3 * target,
        sigma=np.tile(rng.uniform(1e-7, 1e-6, (size, 1)), 64).astype(np.float32),
        step_s=np.ones(size),
        trend=np.outer(rng.uniform(0.1, 10, size), (1e-14, 0.0, 1e-18, 1e-20)),
        kind=np.zeros(size, np.int32),
    )


def as_question(batch: Batch) -> ContextBatch:
    return ContextBatch(
        values=batch.values.astype(float),
        noise=batch.noise.astype(float),
        step_s=1.0,
        trend_covariance=batch.trend,
        expected=batch.expected.astype(float),
        expected_sigma=batch.sigma.astype(float),
    )


def with_a_buffer(checkpoint: str, directory: str, numbers: int) -> str:
    """Copy a checkpoint and add a tensor the model has no place for."""
    source, target = Path(checkpoint), Path(directory)
    target.mkdir()
    shutil.copy(source / "config.json", target)
    tensors = load_file(source / "model.safetensors")
    save_file(tensors | {"left.behind": torch.zeros(numbers)}, target / "model.safetensors")
    return str(target)
