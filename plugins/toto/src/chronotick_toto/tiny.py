"""Random checkpoints of the real architecture: for tests, and to measure cost without weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import save_file
from toto.model.toto import Toto

from chronotick.plugin.random_weights import of_size

_SEED: Final = 20

# Datadog/Toto-Open-Base-1.0 at 0411ceb. Written as below these values are that commit's config.json
# to the byte: its SHA-256, recorded in a public audit of the checkpoint, begins with e381ed28.
_OPEN_BASE: Final[dict[str, Any]] = {
    "patch_size": 64,
    "stride": 64,
    "embed_dim": 768,
    "num_layers": 12,
    "num_heads": 12,
    "mlp_hidden_dim": 3072,
    "dropout": 0.1,
    "spacewise_every_n_layers": 12,
    "scaler_cls": "<class 'model.scaler.CausalPatchStdMeanScaler'>",
    "output_distribution_classes": ["<class 'model.distribution.MixtureOfStudentTsOutput'>"],
    "spacewise_first": False,
    "output_distribution_kwargs": {"k_components": 24},
    "use_memory_efficient_attention": True,
    "stabilize_with_global": True,
    "scale_factor_exponent": 10.0,
}
_TINY: Final = {
    "embed_dim": 32,
    "num_layers": 2,
    "num_heads": 2,
    "mlp_hidden_dim": 64,
    "spacewise_every_n_layers": 2,
    "output_distribution_kwargs": {"k_components": 4},
}
_CONFIGURATIONS: Final = {"tiny": {**_OPEN_BASE, **_TINY}, "open-base": _OPEN_BASE}


def write(directory: Path, size: str) -> None:
    """Write ``config.json`` and ``model.safetensors``, the same ones every time.

    Args:
        directory: where to.
        size: ``tiny`` or ``open-base``.

    Raises:
        ValueError: another size.
    """
    configuration = of_size(_CONFIGURATIONS, size)
    torch.manual_seed(_SEED)
    # The setting names a GPU library that is not installed here; loading turns it off as well.
    model = Toto(**{**configuration, "use_memory_efficient_attention": False})
    tensors = {_published(name): tensor for name, tensor in model.state_dict().items()}
    save_file(tensors, directory / "model.safetensors")
    (directory / "config.json").write_text(json.dumps(configuration, indent=4), encoding="utf-8")


def _published(name: str) -> str:
    """Name a tensor as the published file does: that one was written with fused SwiGLU layers."""
    return name.replace(".mlp.0.", ".mlp.0.w12.").replace(".mlp.2.", ".mlp.0.w3.")
