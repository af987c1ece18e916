"""Random checkpoints of the real architecture: for tests, and to measure without weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch
from tsfm_public import TimeSeriesPreprocessor
from tsfm_public.models.tinytimemixer import TinyTimeMixerConfig, TinyTimeMixerForPrediction

from chronotick.plugin.random_weights import of_size

TARGET: Final = "residual"
COVARIATES: Final = ("temperature", "load")
"""Channels of ``tiny-covariates``, in the order in which it reads them."""

_SEED: Final = 20
_TINY: Final = {"d_model": 16, "decoder_d_model": 8, "num_layers": 1, "decoder_num_layers": 1}
# Number of weights, of each part, and of bytes in model.safetensors agree with the published files:
# 805 280 (3 240 592 bytes), 2 964 960 (11 879 480) and 3 081 120 (12 344 144). So do widths and
# patches, as the config.json of ibm-granite/granite-timeseries-ttm-r2 was reported to have them.
_R2: Final = {
    "num_layers": 2,
    "decoder_num_layers": 2,
    "expansion_factor": 2,
    "adaptive_patching_levels": 3,
}
_SMALL: Final = {**_R2, "d_model": 192, "decoder_d_model": 128, "patch_length": 64}
_LARGE: Final = {**_R2, "d_model": 384, "decoder_d_model": 256, "patch_length": 128}

SIZES: Final[dict[str, dict[str, Any]]] = {
    "tiny": _TINY,
    "tiny-covariates": {
        **_TINY,
        "num_input_channels": 1 + len(COVARIATES),
        "decoder_mode": "mix_channel",
        "prediction_channel_indices": [0],
    },
    "tiny-resolution": {
        **_TINY,
        "resolution_prefix_tuning": True,
        "frequency_token_vocab_size": 10,
    },
    "512-96-r2": _SMALL,
    "1024-96-r2": {**_LARGE, "context_length": 1024},
    "1536-96-r2": {**_LARGE, "context_length": 1536},
}


def write(directory: Path, size: str) -> None:
    """Write ``config.json`` and ``model.safetensors``, the same ones every time.

    Beside one with covariates comes ``preprocessor_config.json``, which names them.

    Args:
        directory: where to.
        size: one of :data:`SIZES`.

    Raises:
        ValueError: there is no such size.
    """
    torch.manual_seed(_SEED)
    model = TinyTimeMixerForPrediction(_config(of_size(SIZES, size)))
    model.save_pretrained(str(directory))
    if model.config.num_input_channels > 1:
        _preprocessor().save_pretrained(str(directory))


def _config(size: Mapping[str, Any]) -> TinyTimeMixerConfig:
    usual = {"context_length": 512, "prediction_length": 96, "patch_length": 64}
    config = TinyTimeMixerConfig(**{**usual, **size})
    config.patch_stride = config.patch_length
    return config


def _preprocessor() -> TimeSeriesPreprocessor:
    return TimeSeriesPreprocessor(
        target_columns=[TARGET],
        conditional_columns=list(COVARIATES),
        context_length=512,
        prediction_length=96,
        scaling=False,
    )
