"""Runs in the model's environment: the library asked directly, and what our loader refuses.

One process for all questions, for its imports take seconds: each is a line of JSON on standard
input, each answer one on standard output.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from sktime.libs.timemoe import TimeMoeForPrediction

from chronotick.plugin import ContextBatch
from chronotick_time_moe.tiny import configuration, write
from chronotick_time_moe.worker import TimeMoe


def library(checkpoint: str, questions: list) -> list:
    """Answer each ``[contexts, mask or None, horizon]`` as the authors' README does.

    Returns:
        for each ``[forecasts, how many values each pass through the model wrote]``.
    """
    model = TimeMoeForPrediction.from_pretrained(
        checkpoint, torch_dtype=torch.float32, attn_implementation="eager"
    )
    passes: list[int] = []
    model.register_forward_hook(
        lambda _model, _inputs, output: passes.append(output.logits.shape[-1])
    )
    answers = []
    for contexts, mask, horizon in questions:
        passes.clear()
        tokens = torch.tensor(contexts, dtype=torch.float32)
        attention = torch.tensor(mask or torch.ones(tokens.shape).tolist())
        written = model.generate(tokens, attention_mask=attention, max_new_tokens=horizon)
        answers.append([written[:, -horizon:].tolist(), list(passes)])
    return answers


def ours(checkpoint: str, values: list, horizon: int) -> list:
    """The worker's class called without a wire in between."""
    model = TimeMoe()
    model.load(checkpoint, "cpu", 1)
    context = np.array(values)
    batch = ContextBatch(
        values=context,
        noise=np.full(context.shape, 1e-7),
        step_s=1.0,
        trend_covariance=np.zeros((len(context), 4)),
    )
    return model.forecast(batch, horizon, []).mean.tolist()


def refusals(checkpoints: list[str]) -> list[str]:
    """What loading says of each; nothing of one that loads."""
    return [_refusal(checkpoint) for checkpoint in checkpoints]


def _refusal(checkpoint: str) -> str:
    try:
        TimeMoe().load(checkpoint, "cpu", 1)
    except (FileNotFoundError, ValueError) as error:
        return str(error)
    return ""


def sizes(names: list[str]) -> list[int]:
    """Number of weights of each size, without making any."""
    with torch.device("meta"):
        models = [TimeMoeForPrediction(configuration(name)) for name in names]
    return [sum(weight.numel() for weight in model.parameters()) for model in models]


def written(size: str) -> list:
    """The bytes of a checkpoint, written twice: are they the same? And an unknown size?"""
    with TemporaryDirectory() as name:
        directory = Path(name)
        write(directory / "once", size)
        write(directory / "twice", size)
        once, twice = ((directory / at / "model.safetensors") for at in ("once", "twice"))
        same = once.read_bytes() == twice.read_bytes()
    try:
        write(Path(name), "2B")
    except ValueError as error:
        return [same, str(error)]
    return [same, ""]


if __name__ == "__main__":
    functions = {
        function.__name__: function for function in (library, ours, refusals, sizes, written)
    }
    for line in sys.stdin:
        what, question = json.loads(line)
        print(json.dumps(functions[what](**question)), flush=True)  # noqa: T201 - how it answers
