"""Random checkpoints of the real architecture: for tests, and for trying things out offline."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import torch
from sktime.libs.timemoe import TimeMoeForPrediction
from sktime.libs.timemoe.timemoe_config import TimeMoeConfig

from chronotick.plugin.random_weights import of_size

_SEED: Final = 20

# What all published models share: config.json of Maple728/TimeMoE-50M.
_FAMILY: Final = {
    "horizon_lengths": [1, 8, 32, 64],
    "num_experts": 8,
    "num_experts_per_tok": 2,
    "max_position_embeddings": 4096,
}

# 50M: the same file. 200M: the paper's "large" (arXiv 2409.16040, table of model sizes). The files
# that follow have the published ones' sizes to the byte: 226,760,264 and 906,450,104.
_SIZES: Final[Mapping[str, Mapping[str, float]]] = {
    "tiny": {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "initializer_range": 0.3,  # at the usual 0.02 so small a model forecasts zeros
    },
    "50M": {
        "hidden_size": 384,
        "intermediate_size": 1536,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
    },
    "200M": {
        "hidden_size": 768,
        "intermediate_size": 3072,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
    },
}


def write(directory: Path, size: str) -> None:
    """Write ``config.json`` and ``model.safetensors``, the same ones every time.

    Args:
        directory: where to.
        size: ``tiny``, ``50M`` or ``200M``.

    Raises:
        ValueError: another size.
    """
    torch.manual_seed(_SEED)
    model = TimeMoeForPrediction(configuration(size))
    model.to(torch.bfloat16).save_pretrained(str(directory))  # the type they are published in


def configuration(size: str) -> TimeMoeConfig:
    """Return the configuration of a size.

    Raises:
        ValueError: there is no such size.
    """
    return TimeMoeConfig(**_FAMILY, **of_size(_SIZES, size), attn_implementation="eager")
