"""Runs in the model's environment: the library asked directly.

Its functions are called by ``answering.py`` (``plugins/tests``), arguments and answers in JSON.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
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
    """How far training is from what it says: of the worker's forecasts, and of weighted errors."""
    torch.manual_seed(1)
    rng = np.random.default_rng(1)
    header = Header(model="chronos", recipe={}, out="")
    size = {"d_model": 32, "d_ff": 64, "d_kv": 8, "num_layers": 1, "dropout_rate": 0.0}
    trainee = ChronosBolt(size, header, Training(steps=1, sigma_floor=0.1))
    batch = examples(rng, 4)
    inputs = trainee.prepare(batch)
    trainee.answer(inputs)[0].backward()
    alike = inputs.tensors | {"weights": torch.ones_like(inputs.tensors["weights"])}
    _loss, standard = trainee.answer(replace(inputs, tensors=alike))
    weight = trainee.network.output_patch_embedding.residual_layer.weight
    given = inputs.tensors
    scale = trainee.network.instance_norm(given["context"])[1][1][..., None]
    errors = (given["target"][..., None] - standard) / scale
    levels = torch.tensor(trainee.levels)
    pinball = 2 * torch.maximum(levels * errors, (levels - 1) * errors).mean(dim=-1)
    ours, weight.grad = weight.grad, None
    (given["weights"] * pinball).mean().backward()
    far = (weight.grad - ours).norm() / ours.norm()
    trainee.network.save_pretrained(directory)
    model = Chronos()
    model.load(directory, "cpu", 1)
    seconds = inputs.context.restore(standard.detach().numpy())
    answer = model.forecast(as_question(batch), 64, trainee.levels).quantiles
    difference = abs(answer - np.sort(seconds, axis=-1)) / inputs.context.scale[:, None, None]
    return [float(difference.max()), float(far), float(given["weights"].mean())]


def examples(rng: np.random.Generator, size: int) -> Batch:
    """Random walks with gaps."""
    walks = 1e-7 * rng.standard_normal((size, 576)).cumsum(axis=1).astype(np.float32)
    values, target = walks[:, :512].copy(), walks[:, 512:]
    values[rng.random(values.shape) < 0.2] = np.nan
    sigma = 1e-7 * np.sqrt(np.arange(1, 65, dtype=np.float32)) * rng.uniform(0.1, 10, (size, 1))
    return Batch(
        values=values,
        noise=np.full_like(values, 1e-8),
        target=target,
        expected=np.zeros_like(target),
        sigma=sigma.astype(np.float32),
        step_s=np.ones(size),
        kind=np.zeros(size, np.int32),
    )


def as_question(batch: Batch) -> ContextBatch:
    return ContextBatch(
        values=batch.values.astype(float),
        noise=batch.noise.astype(float),
        step_s=1.0,
        trend_covariance=np.zeros((len(batch), 4)),
    )


def with_a_buffer(checkpoint: str, directory: str, numbers: int) -> str:
    """Copy a checkpoint and add a tensor the model has no place for."""
    source, target = Path(checkpoint), Path(directory)
    target.mkdir()
    shutil.copy(source / "config.json", target)
    tensors = load_file(source / "model.safetensors")
    save_file(tensors | {"left.behind": torch.zeros(numbers)}, target / "model.safetensors")
    return str(target)
