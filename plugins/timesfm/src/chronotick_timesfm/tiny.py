"""Random checkpoints of the real architectures: for tests, and for trying things out offline.

The published sizes are the library's own defaults, and have as many weights as the published
files; their forecasts are nonsense.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

import torch
from timesfm import TimesFM_2p5_200M_torch
from timesfm.timesfm_2p5.timesfm_2p5_torch import TimesFM_2p5_200M_torch_module
from timesfm.torch.normalization import RMSNorm
from timesfm3 import TimesFM3Torch

from chronotick.plugin.random_weights import of_size
from chronotick_timesfm.version25 import build as build_25

_SEED: Final = 20
_WIDTH: Final = 16


def write(directory: Path, size: str) -> None:
    """Write ``model.safetensors`` and, for version 3, ``config.json``: the same ones every time.

    Args:
        directory: where to.
        size: one of ``random_sizes`` in :mod:`chronotick_timesfm.plugin`.

    Raises:
        ValueError: there is no such size.
    """
    torch.manual_seed(_SEED)
    build(size).save_pretrained(str(directory))


def build(size: str) -> TimesFM_2p5_200M_torch | TimesFM3Torch:
    """Make a model of a size in memory.

    Raises:
        ValueError: there is no such size.
    """
    return of_size(_SIZES, size)()


def _published_25() -> TimesFM_2p5_200M_torch:
    return _awake(build_25(TimesFM_2p5_200M_torch_module.config))


def _tiny_25() -> TimesFM_2p5_200M_torch:
    published = TimesFM_2p5_200M_torch_module.config
    stack = published.stacked_transformers
    small = {"hidden_dims": _WIDTH // 2}
    transformer = replace(stack.transformer, model_dims=_WIDTH, num_heads=2, hidden_dims=_WIDTH)
    definition = replace(
        published,
        tokenizer=replace(published.tokenizer, output_dims=_WIDTH, **small),
        stacked_transformers=replace(stack, num_layers=2, transformer=transformer),
        output_projection_point=replace(
            published.output_projection_point, input_dims=_WIDTH, **small
        ),
        output_projection_quantiles=replace(
            published.output_projection_quantiles, input_dims=_WIDTH, **small
        ),
    )
    return _awake(build_25(definition))


def _awake(model: TimesFM_2p5_200M_torch) -> TimesFM_2p5_200M_torch:
    """Let the layers count: the library makes their norms 0, which leaves the last patch alone."""
    for module in model.model.modules():
        if isinstance(module, RMSNorm):
            torch.nn.init.ones_(module.scale)
    return model


def _tiny_3() -> TimesFM3Torch:
    with torch.device("meta"):
        published = TimesFM3Torch()
    stack = published.transformer_config
    return TimesFM3Torch(
        residual_block_config=replace(
            published.residual_block_config, hidden_dims=_WIDTH, output_dims=_WIDTH
        ),
        transformer_config=replace(
            stack,
            num_layers=2,
            transformer=replace(
                stack.transformer, model_dims=_WIDTH, hidden_dims=_WIDTH, num_heads=2
            ),
        ),
    )


_SIZES: Final[Mapping[str, Callable[[], TimesFM_2p5_200M_torch | TimesFM3Torch]]] = {
    "tiny-2.5": _tiny_25,
    "tiny-3": _tiny_3,
    "timesfm-2.5-200m": _published_25,  # 231,289,280 weights
    "timesfm-3.0": TimesFM3Torch,  # 330,710,976
}
