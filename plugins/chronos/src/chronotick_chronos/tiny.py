"""Random checkpoints of the real architectures: for tests, and for trying things out offline."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import torch
from chronos.chronos2 import Chronos2Model
from chronos.chronos2.config import Chronos2CoreConfig
from chronos.chronos_bolt import ChronosBoltModelForForecasting
from transformers import T5Config

_SEED: Final = 20
_BOLT_LEVELS: Final = [tenth / 10 for tenth in range(1, 10)]
_CHRONOS2_LEVELS: Final = [0.01, *(twentieth / 20 for twentieth in range(1, 20)), 0.99]

_TINY: Final = {"d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 1, "num_heads": 2}


def write(directory: Path, size: str) -> None:
    """Write ``config.json`` and ``model.safetensors``, the same ones every time.

    Args:
        directory: where to.
        size: ``tiny-bolt`` or ``tiny-2``.
    """
    torch.manual_seed(_SEED)
    model = _bolt(_TINY) if size == "tiny-bolt" else _chronos2(_TINY)
    model.save_pretrained(str(directory))


def _bolt(size: dict[str, Any]) -> ChronosBoltModelForForecasting:
    config = T5Config(
        **size,
        **_common(),
        num_decoder_layers=size["num_layers"],
        decoder_start_token_id=0,
        architectures=["ChronosBoltModelForForecasting"],
        chronos_pipeline_class="ChronosBoltPipeline",
        chronos_config={
            "context_length": 2048,
            "prediction_length": 64,
            "input_patch_size": 16,
            "input_patch_stride": 16,
            "quantiles": _BOLT_LEVELS,
            "use_reg_token": True,
        },
    )
    return ChronosBoltModelForForecasting(config)


def _chronos2(size: dict[str, Any]) -> Chronos2Model:
    config = Chronos2CoreConfig(
        **size,
        **_common(),
        architectures=["Chronos2Model"],
        chronos_pipeline_class="Chronos2Pipeline",
        chronos_config={
            "context_length": 8192,
            "input_patch_size": 16,
            "input_patch_stride": 16,
            "output_patch_size": 16,
            "max_output_patches": 64,
            "quantiles": _CHRONOS2_LEVELS,
            "use_reg_token": True,
            "use_arcsinh": True,
        },
    )
    return Chronos2Model(config)


def _common() -> dict[str, Any]:
    return {"feed_forward_proj": "relu", "vocab_size": 2}
