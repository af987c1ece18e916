"""From a batch to what TinyTimeMixer reads: windows of one length, with a mask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from chronotick.plugin import ContextBatch
from chronotick.plugin.scaling import Standardised, standardise

# DEFAULT_FREQUENCY_MAPPING of granite-tsfm 0.3.1, by seconds. Other steps are "oov", 0.
_RESOLUTIONS: Final[Mapping[float, int]] = {
    60: 1,
    120: 2,
    300: 3,
    600: 4,
    900: 5,
    1800: 6,
    3600: 7,
    86400: 8,
    604800: 9,
}


@dataclass(frozen=True, slots=True)
class Windows:
    """What the model reads.

    Attributes:
        past: ``[series, length, channel]``, each channel standardised, 0 where nothing is known.
        observed: of the same shape, whether a value is known.
        residual: the standardised residuals, for the way back.
    """

    past: NDArray[np.float32]
    observed: NDArray[np.bool_]
    residual: Standardised


def windows(batch: ContextBatch, covariates: Sequence[str], length: int) -> Windows:
    """Take the newest ``length`` samples; missing ones, and those before the first, are masked.

    Missing values are 0, as the library asks for. It does not take them out of what its layers
    read: on standardised channels a 0 is the channel's mean, on raw ones it would be an outlier.

    Args:
        batch: residuals and covariates.
        covariates: names of the channels after the residual, in the model's order; one that the
            batch does not have is missing throughout.
        length: of the model's context.

    Raises:
        ValueError: a series holds no measurement.
    """
    residual = standardise(batch.values[:, -length:], batch.noise[:, -length:])
    missing = np.full(batch.values.shape, np.nan)
    others = [_standard(batch.covariates.get(name, missing)[:, -length:]) for name in covariates]
    channels = np.stack([residual.values, *others], axis=-1)
    observed = np.isfinite(channels)
    before = ((0, 0), (length - channels.shape[1], 0), (0, 0))
    return Windows(
        past=np.pad(np.where(observed, channels, 0.0), before).astype(np.float32),
        observed=np.pad(observed, before),
        residual=residual,
    )


def resolution(step_s: float, vocabulary: int) -> int:
    """Return the token of a sampling step, for models tuned to resolutions.

    Args:
        step_s: sampling step in seconds.
        vocabulary: number of tokens the model knows.
    """
    token = _RESOLUTIONS.get(round(step_s, 3), 0)
    return token if token < vocabulary else 0


def _standard(covariate: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standardise a covariate ``[series, length]``; a series of it may be wholly unknown."""
    known = np.isfinite(covariate)
    unknown = ~known.any(axis=1, keepdims=True)
    values = np.where(unknown, 0.0, np.where(known, covariate, np.nan))
    # The median first: it makes a constant exactly 0, where a mean leaves rounding errors to scale.
    values -= np.nanmedian(values, axis=1, keepdims=True)
    standard = standardise(values, np.ones_like(values)).values
    return np.where(unknown, np.nan, standard)
