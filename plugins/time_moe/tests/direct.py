"""Runs in the model's environment: the library asked directly.

Its functions are called by ``answering.py`` (``plugins/tests``), arguments and answers in JSON.
"""

from __future__ import annotations

import torch
from sktime.libs.timemoe import TimeMoeForPrediction

from chronotick_time_moe.tiny import configuration


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


def sizes(names: list[str]) -> list[int]:
    """Number of weights of each size, without making any."""
    with torch.device("meta"):
        models = [TimeMoeForPrediction(configuration(name)) for name in names]
    return [sum(weight.numel() for weight in model.parameters()) for model in models]
