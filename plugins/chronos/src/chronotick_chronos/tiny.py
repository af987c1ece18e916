"""Random checkpoints of the real architectures: for tests, and for trying things out offline.

The published sizes have the published ``config.json`` (of the Hub repositories in ``plugin.py``),
hence their number of weights, speed and memory, but forecast nonsense.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch
from chronos.chronos2 import Chronos2Model
from chronos.chronos2.config import Chronos2CoreConfig
from chronos.chronos_bolt import ChronosBoltModelForForecasting
from transformers import T5Config

from chronotick.plugin.random_weights import of_size

_SEED: Final = 20
_TENTHS: Final = [tenth / 10 for tenth in range(1, 10)]
_TWENTIETHS: Final = [0.01, *(twentieth / 20 for twentieth in range(1, 20)), 0.99]
_THIRTEEN: Final = [0.01, 0.05, *_TENTHS, 0.95, 0.99]


def _size(width: int, inner: int, layers: int, heads: int, *, d_kv: int = 64) -> dict[str, int]:
    return {
        "d_model": width,
        "d_ff": inner,
        "num_layers": layers,
        "num_heads": heads,
        "d_kv": d_kv,
    }


_TINY: Final = _size(32, 64, 1, 2, d_kv=16)

_BOLT: Final[Mapping[str, dict[str, int]]] = {
    "tiny-bolt": _TINY,
    "bolt-tiny": _size(256, 1024, 4, 4),  # 8,652,672 weights
    "bolt-mini": _size(384, 1536, 4, 8),  # 21,236,096
    "bolt-small": _size(512, 2048, 6, 8),  # 47,718,016
    "bolt-base": _size(768, 3072, 12, 12),  # 205,292,928
}

_CHRONOS2: Final[Mapping[str, tuple[dict[str, int], list[float]]]] = {
    "tiny-2": (_TINY, _TWENTIETHS),
    "chronos-2-small": (_size(512, 2048, 6, 8), _THIRTEEN),  # 27,934,624
    "chronos-2": (_size(768, 3072, 12, 12), _TWENTIETHS),  # 119,477,664
}


def write(directory: Path, size: str) -> None:
    """Write ``config.json`` and ``model.safetensors``, the same ones every time.

    Args:
        directory: where to.
        size: one of ``random_sizes`` in :mod:`chronotick_chronos.plugin`.

    Raises:
        ValueError: there is no such size.
    """
    torch.manual_seed(_SEED)
    build(size).save_pretrained(str(directory))


def build(size: str) -> ChronosBoltModelForForecasting | Chronos2Model:
    """Make a model of a size in memory, with the library's own random weights.

    Raises:
        ValueError: there is no such size.
    """
    if size in _BOLT:
        return _bolt(_BOLT[size])
    return _chronos2(*of_size(_CHRONOS2, size))


def _bolt(size: dict[str, int]) -> ChronosBoltModelForForecasting:
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
            "quantiles": _TENTHS,
            "use_reg_token": True,
        },
    )
    return ChronosBoltModelForForecasting(config)


def _chronos2(size: dict[str, int], levels: list[float]) -> Chronos2Model:
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
            "quantiles": levels,
            "use_reg_token": True,
            "use_arcsinh": True,
        },
    )
    return Chronos2Model(config)


def _common() -> dict[str, Any]:
    return {"feed_forward_proj": "relu", "vocab_size": 2}
