"""Runs in the model's environment: the library asked directly, and what our loader refuses.

``direct.py WHAT QUESTION``, the question in JSON; the answer is the last line of the output.
"""

from __future__ import annotations

import json
import sys

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from timesfm import ForecastConfig, TimesFM_2p5_200M_torch
from timesfm.timesfm_2p5.timesfm_2p5_torch import TimesFM_2p5_200M_torch_module
from timesfm3 import TimesFM3Forecaster

from chronotick.plugin.pytorch import parameters
from chronotick.plugin.weights import locate
from chronotick_timesfm.tiny import build
from chronotick_timesfm.version25 import define
from chronotick_timesfm.worker import TimesFM, _shapes


def library25(checkpoint: str, inputs: list, horizon: int) -> list:
    """Quantiles ``[series][horizon][level]`` as the model card shows how, padded to 1024."""
    TimesFM_2p5_200M_torch_module.config = define(_shapes(locate(checkpoint, "", needed=())))
    model = TimesFM_2p5_200M_torch.from_pretrained(checkpoint, torch_compile=False)
    model.compile(
        ForecastConfig(
            max_context=1024,
            max_horizon=1024,
            normalize_inputs=True,
            use_continuous_quantile_head=True,
            force_flip_invariance=False,
            infer_is_positive=False,
            fix_quantile_crossing=True,
        )
    )
    _, quantiles = model.forecast(horizon=horizon, inputs=[np.array(item) for item in inputs])
    return quantiles[:, :, 1:].tolist()


def library3(checkpoint: str, inputs: list, past: list, horizon: int) -> list:
    """Quantiles ``[series][horizon][level]``; ``past``: one covariate for each series, or none."""
    model = TimesFM3Forecaster.from_pretrained(checkpoint, device="cpu")
    outputs = model.predict_batch(
        [np.array(item) for item in inputs],
        horizon,
        past_only_covariates=[np.array([item]) for item in past] or None,
        return_quantiles=True,
    )
    return [output.quantiles.tolist() for output in outputs]


def refusals(checkpoints: list[str], spoilt: list[tuple[str, str, str]]) -> list[str]:
    """What loading says of each, after copies ``(source, target, tensor left out)`` were made."""
    for source, target, tensor in spoilt:
        tensors = load_file(f"{source}/model.safetensors")
        del tensors[tensor]
        save_file(tensors, f"{target}/model.safetensors")
    return [_refusal(checkpoint) for checkpoint in checkpoints]


def _refusal(checkpoint: str) -> str:
    try:
        TimesFM().load(checkpoint, "cpu", 1)
    except (FileNotFoundError, ValueError) as error:
        return str(error)
    return ""


def published(sizes: list[str]) -> tuple[list[int], bool]:
    """Number of weights of each size of random checkpoint; nothing is allocated.

    And whether the shapes of the published size give the published definition.
    """
    with torch.device("meta"):
        models = [build(size) for size in sizes]
        tensors = TimesFM_2p5_200M_torch_module().state_dict()
    shapes = {name: list(tensor.shape) for name, tensor in tensors.items()}
    return (
        [parameters(getattr(model, "model", model)) for model in models],
        define(shapes) == TimesFM_2p5_200M_torch_module.config,
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    what, question = sys.argv[1:]
    known = (library25, library3, refusals, published)
    answer = {function.__name__: function for function in known}[what](**json.loads(question))
    print(json.dumps(answer))  # noqa: T201 - how it answers
