"""Runs in the model's environment: the library asked directly.

Its functions are called by ``answering.py`` (``plugins/tests``), arguments and answers in JSON.
"""

from __future__ import annotations

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from timesfm import ForecastConfig, TimesFM_2p5_200M_torch
from timesfm.timesfm_2p5.timesfm_2p5_torch import TimesFM_2p5_200M_torch_module
from timesfm3 import TimesFM3Forecaster

from chronotick.plugin.pytorch import parameters, shapes
from chronotick.plugin.weights import locate
from chronotick_timesfm.tiny import build
from chronotick_timesfm.version25 import define


def library25(checkpoint: str, inputs: list, horizon: int) -> list:
    """Quantiles ``[series][horizon][level]`` as the model card shows how, padded to 1024."""
    published = TimesFM_2p5_200M_torch_module.config
    TimesFM_2p5_200M_torch_module.config = define(shapes(locate(checkpoint, "", needed=())))
    try:
        model = TimesFM_2p5_200M_torch.from_pretrained(checkpoint, torch_compile=False)
    finally:
        TimesFM_2p5_200M_torch_module.config = published  # whoever asks next wants it
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


def published(sizes: list[str]) -> tuple[list[int], bool]:
    """Number of weights of each size of random checkpoint; nothing is allocated.

    And whether the shapes of the published size give the published definition.
    """
    with torch.device("meta"):
        models = [build(size) for size in sizes]
        tensors = TimesFM_2p5_200M_torch_module().state_dict()
    sizes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    return (
        [parameters(getattr(model, "model", model)) for model in models],
        define(sizes) == TimesFM_2p5_200M_torch_module.config,
    )


def without(spoilt: list[tuple[str, str, str]]) -> None:
    """Copies ``(source, target, tensor left out)``."""
    for source, target, tensor in spoilt:
        tensors = load_file(f"{source}/model.safetensors")
        del tensors[tensor]
        save_file(tensors, f"{target}/model.safetensors")
