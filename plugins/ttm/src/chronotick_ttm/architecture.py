"""What a checkpoint says of itself: whether it can be used, and what its channels are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tsfm_public.models.tinytimemixer import TinyTimeMixerConfig

from chronotick.plugin.weights import CONFIG, Weights

PREPROCESSOR: Final = "preprocessor_config.json"
"""Where ``TimeSeriesPreprocessor.save_pretrained`` writes the names of the channels."""

_ARCHITECTURE: Final = "TinyTimeMixerForPrediction"
_MIXED: Final = "mix_channel"
_MEDIAN: Final = 0.5
# In the order in which the library's TimeSeriesPreprocessor makes channels of them.
_COLUMNS: Final = (
    "target_columns",
    "observable_columns",
    "control_columns",
    "conditional_columns",
)


def read_config(weights: Weights) -> TinyTimeMixerConfig:
    """Read the configuration of a checkpoint that can be used.

    Its forecast is narrowed to channel 0, the residual: the library makes a forecast of every
    channel from the same weights and drops those not asked for.

    Raises:
        ValueError: another model, or one that needs what there is not; the message says what.
    """
    stored = weights.config()
    names = stored.get("architectures") or [stored.get("model_type", "unknown model")]
    found = ", ".join(map(str, names)) if isinstance(names, list) else str(names)
    if found != _ARCHITECTURE:
        raise ValueError(f"{weights.name} is a {found}: model ttm loads {_ARCHITECTURE} only")
    with weights.blamed():
        config = TinyTimeMixerConfig.from_pretrained(str(weights.directory))
    for reason in _obstacles(config):
        raise ValueError(f"{weights.name} cannot be used: {reason}")
    config.prediction_channel_indices = [0]
    config.exogenous_channel_indices = None
    return config


def covariates_of(config: TinyTimeMixerConfig, weights: Weights) -> tuple[str, ...]:
    """Return the names of the channels after the first; none where channels are independent.

    Raises:
        ValueError: the checkpoint mixes channels and does not name them.
    """
    if not mixes_channels(config):
        return ()
    path = weights.directory / PREPROCESSOR
    if not path.is_file():
        raise ValueError(
            f"{weights.name} mixes {config.num_input_channels} channels, and no {PREPROCESSOR} "
            "names them. Save the TimeSeriesPreprocessor it was fine-tuned with beside it"
        )
    columns = weights.config(PREPROCESSOR)
    names = tuple(dict.fromkeys(name for kind in _COLUMNS for name in columns.get(kind) or ()))
    if len(names) != config.num_input_channels:
        raise ValueError(
            f"{path} names {len(names)} channels {list(names)}, {CONFIG} beside it has "
            f"{config.num_input_channels}: they are not of the same model"
        )
    return names[1:]


def mixes_channels(config: TinyTimeMixerConfig) -> bool:
    """Tell whether other channels change the forecast of the first."""
    modes = [config.mode, *([config.decoder_mode] if config.use_decoder else [])]
    return bool(config.num_input_channels > 1 and _MIXED in modes)


def _obstacles(config: TinyTimeMixerConfig) -> Iterator[str]:
    if config.loss == "nll":
        yield "it has a distribution head, which granite-tsfm has switched off"
    if config.loss == "pinball" and config.quantile != _MEDIAN:
        yield f"it forecasts the quantile {config.quantile}, not the centre"
    if config.categorical_vocab_size_list:
        yield "it needs static categories, and there are none"
    if config.enable_forecast_channel_mixing:
        yield (
            "enable_forecast_channel_mixing wants the future of covariates, and inputs scaled as "
            f"in its training. Fine-tune with decoder_mode={_MIXED!r} alone"
        )
    if mixes_channels(config) and 0 not in (config.prediction_channel_indices or [0]):
        yield "it does not forecast its first channel, the residual"
