"""From a batch to what TinyTimeMixer reads: windows of one length, with a mask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from chronotick.plugin.anchoring import TOLD
from chronotick.plugin.covariates import standard
from chronotick.plugin.gaps import Unbroken, lines

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
        past: ``[series, length, channel]``, each channel standardised.
        observed: of the same shape, whether a value was measured.
    """

    past: NDArray[np.float32]
    observed: NDArray[np.bool_]


def windows(
    group: Unbroken, covariates: Mapping[str, NDArray[np.float64]], channels: Sequence[str]
) -> Windows:
    """Put covariates beside residuals; what was not measured is masked, and likely all the same.

    The mask keeps it out of the window's mean and spread only: the library's layers read whatever
    stands there. So gaps are straight lines, and before the first measurement is 0, the mean.

    Args:
        group: standardised residuals, as long as the model's context.
        covariates: of the whole batch, by name.
        channels: names of the channels after the residual, in the model's order; one that the
            batch does not have is missing throughout.
    """
    missing = np.full((1 + int(group.rows.max()), group.lag + 1), np.nan)
    others = [_newest(covariates.get(name, missing), group) for name in channels]
    return Windows(
        past=np.stack([group.values, *map(lines, others)], axis=-1).astype(np.float32),
        observed=np.stack([group.mask, *map(np.isfinite, others)], axis=-1),
    )


def anchored_windows(values: NDArray[np.float64]) -> Windows:
    """Close the gaps of anchored contexts: straight lines, and what is outermost held.

    Forecasts count from the end of the context, so nothing has to be forecast before it.

    Args:
        values: as :class:`~chronotick.plugin.anchoring.Anchored` has them.
    """
    observed = np.isfinite(values)
    past = values.astype(np.float32)
    steps = np.arange(values.shape[1])
    for row in np.flatnonzero(~observed.all(axis=1)):
        known = TOLD + np.flatnonzero(observed[row, TOLD:])
        past[row, TOLD:] = np.interp(steps[TOLD:], known, values[row, known])
    return Windows(past=past[..., np.newaxis], observed=observed[..., np.newaxis])


def _newest(covariate: NDArray[np.float64], group: Unbroken) -> NDArray[np.float64]:
    """Return a covariate of a group over the same steps, standardised, NaN where it is unknown."""
    length = group.values.shape[1]
    rows = covariate[group.rows, : covariate.shape[1] - group.lag][:, -length:]
    before = np.full((len(rows), length - rows.shape[1]), np.nan)
    return np.concatenate([before, standard(rows)], axis=1)


def resolution(step_s: float, vocabulary: int) -> int:
    """Return the token of a sampling step, for models tuned to resolutions.

    Args:
        step_s: sampling step in seconds.
        vocabulary: number of tokens the model knows.
    """
    token = _RESOLUTIONS.get(round(step_s, 3), 0)
    return token if token < vocabulary else 0
