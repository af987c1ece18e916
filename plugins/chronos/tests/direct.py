"""Runs in the model's environment: the library asked directly, and what our loader refuses.

``direct.py WHAT QUESTION``, the question in JSON; the answer is the last line of the output.
"""

from __future__ import annotations

import json
import sys

import numpy as np
import torch
from chronos import BaseChronosPipeline

from chronotick.plugin import ContextBatch
from chronotick.plugin.pytorch import parameters
from chronotick_chronos.tiny import build
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


def ours(checkpoint: str, values: list, horizon: int, levels: list[float]) -> list:
    """The worker's class called without a wire in between."""
    model = Chronos()
    model.load(checkpoint, "cpu", 1)
    context = np.array(values)
    batch = ContextBatch(
        values=context,
        noise=np.full(context.shape, 1e-7),
        step_s=1.0,
        trend_covariance=np.zeros((len(context), 4)),
    )
    return model.forecast(batch, horizon, levels).quantiles.tolist()


def refusals(checkpoints: list[str]) -> list[str]:
    """What loading says of each."""
    return [_refusal(checkpoint) for checkpoint in checkpoints]


def _refusal(checkpoint: str) -> str:
    try:
        Chronos().load(checkpoint, "cpu", 1)
    except (FileNotFoundError, ValueError) as error:
        return str(error)
    return ""


def counts(sizes: list[str]) -> list[int]:
    """Number of weights of each size of random checkpoint; nothing is allocated."""
    with torch.device("meta"):
        return [parameters(build(size)) for size in sizes]


if __name__ == "__main__":
    torch.set_num_threads(1)
    what, question = sys.argv[1:]
    known = {"library": library, "ours": ours, "refusals": refusals, "counts": counts}
    answer = known[what](**json.loads(question))
    print(json.dumps(answer))  # noqa: T201 - how it answers
