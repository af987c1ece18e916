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

from chronotick.plugin.pytorch import parameters
from chronotick_chronos.tiny import build


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


def with_a_buffer(checkpoint: str, directory: str, numbers: int) -> str:
    """Copy a checkpoint and add a tensor the model has no place for."""
    source, target = Path(checkpoint), Path(directory)
    target.mkdir()
    shutil.copy(source / "config.json", target)
    tensors = load_file(source / "model.safetensors")
    save_file(tensors | {"left.behind": torch.zeros(numbers)}, target / "model.safetensors")
    return str(target)
