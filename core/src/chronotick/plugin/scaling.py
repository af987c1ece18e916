"""Contexts on a scale of their own: clock residuals near 1e-6 s drown in float32 models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

_SMALLEST_SCALE_S: Final = 1e-12  # a picosecond: far below any clock's noise


@dataclass(frozen=True, slots=True, kw_only=True)
class Standardised:
    """Series with mean 0 and standard deviation 1, NaN where they had none, and the way back.

    Attributes:
        values: ``[series, length]``, dimensionless.
        location: ``[series]`` what was subtracted, in seconds.
        scale: ``[series]`` what was divided by, in seconds.
    """

    values: NDArray[np.float64]
    location: NDArray[np.float64]
    scale: NDArray[np.float64]

    def restore(self, forecast: NDArray[np.floating]) -> NDArray[np.float64]:
        """Bring a forecast ``[series, ...]`` back to seconds."""
        shape = (-1, *(1 for _ in forecast.shape[1:]))
        back: NDArray[np.float64] = forecast.astype(np.float64) * self.scale.reshape(shape)
        back += self.location.reshape(shape)
        return back


def standardise(values: NDArray[np.float64], noise: NDArray[np.float64]) -> Standardised:
    """Give every series location 0 and scale 1, by its measured values alone.

    A constant series has no spread to scale with: its measurement noise stands in.

    Args:
        values: ``[series, length]`` in seconds, NaN where there is no measurement.
        noise: ``[series, length]`` standard uncertainty in seconds.

    Raises:
        ValueError: a series holds no measurement.
    """
    measured = np.isfinite(values)
    if not measured.any(axis=1).all():
        empty = np.flatnonzero(~measured.any(axis=1)).tolist()
        raise ValueError(f"series {empty} hold no measurement: there is nothing to forecast from")
    location = np.nanmean(values, axis=1)
    spread = np.nanstd(values, axis=1)
    constant = spread <= _SMALLEST_SCALE_S
    # Medians take longer than all the rest, and hardly any series is constant.
    scale = spread if not constant.any() else np.where(constant, _floor(noise), spread)
    standard = values - location[:, np.newaxis]
    standard /= scale[:, np.newaxis]
    return Standardised(values=standard, location=location, scale=scale)


def _floor(noise: NDArray[np.float64]) -> NDArray[np.float64]:
    """What to scale each series by that has no spread."""
    known = np.where(np.isfinite(noise), noise, np.nan)
    known[~np.isfinite(known).any(axis=1)] = 0.0
    return np.asarray(np.maximum(np.nanmedian(known, axis=1), _SMALLEST_SCALE_S))
