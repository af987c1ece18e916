"""Writes a tiny checkpoint with random weights: for tests, which must not download anything.

``python -m chronotick_chronos.tiny DIR [--kind bolt|chronos2]``, in the worker's environment.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

import torch
from chronos.chronos2 import Chronos2Model
from chronos.chronos2.config import Chronos2CoreConfig
from chronos.chronos_bolt import ChronosBoltModelForForecasting
from transformers import T5Config

_SEED: Final = 20
_BOLT_LEVELS: Final = [tenth / 10 for tenth in range(1, 10)]
_CHRONOS2_LEVELS: Final = [0.01, *(twentieth / 20 for twentieth in range(1, 20)), 0.99]


def write(directory: Path, kind: str) -> None:
    """Write ``config.json`` and ``model.safetensors``, the same ones every time.

    Args:
        directory: made if it is not there.
        kind: ``bolt`` or ``chronos2``.
    """
    torch.manual_seed(_SEED)
    model = _bolt() if kind == "bolt" else _chronos2()
    model.save_pretrained(str(directory))


def _bolt() -> ChronosBoltModelForForecasting:
    config = T5Config(
        **_size(),
        num_decoder_layers=1,
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


def _chronos2() -> Chronos2Model:
    config = Chronos2CoreConfig(
        **_size(),
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


def _size() -> dict[str, int | str]:
    return {
        "d_model": 32,
        "d_kv": 16,
        "d_ff": 64,
        "num_layers": 1,
        "num_heads": 2,
        "feed_forward_proj": "relu",
        "vocab_size": 2,
    }


def main() -> None:
    """Read the command line and write a checkpoint."""
    parser = argparse.ArgumentParser(description=write.__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--kind", choices=("bolt", "chronos2"), default="bolt")
    arguments = parser.parse_args()
    write(arguments.directory, arguments.kind)


if __name__ == "__main__":
    main()
