"""What fusion comes to: the fused estimate, its members and its variance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

MINOR: Final = 0.05  # members of less weight do not speak for the uncertainty


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One model's part in the served time.

    Attributes:
        model: its name.
        weight: share of it, 0 to 1.
        offset_ns: UTC - RAW it forecasts for the instant.
        sigma_s: its standard uncertainty there. The baseline's is the estimator's, calibrated; a
            model's, point model or not, is measured by its own scored residuals. NaN: not proven.
        sigma_from: where that comes from, in words.
        horizon_s: time since the newest measurement it knew.
        reason: why it has that weight, in words.
    """

    model: str
    weight: float
    offset_ns: int
    sigma_s: float
    sigma_from: str
    horizon_s: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fused:
    """The fused estimate at an instant.

    Attributes:
        raw_ns: the instant.
        offset_ns: UTC - RAW.
        sigma_s: calibrated standard uncertainty.
        members: all models, weightless ones included.
    """

    raw_ns: int
    offset_ns: int
    sigma_s: float
    members: tuple[Member, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """What the estimator's standard uncertainty is multiplied by.

    Attributes:
        innovations: by its one-step innovations.
        horizon: by the measured coverage of fused forecasts as old as this one.
    """

    innovations: float = 1.0
    horizon: float = 1.0


def fused_variance(
    variance: float,
    weights: Mapping[str, float],
    gaps: Mapping[str, float],
    ratios: Mapping[str, float],
) -> float:
    """Variance of the fused forecast in s²: that of the best member, and the members' spread.

    Args:
        variance: the baseline's.
        weights: of the models; the baseline has the rest.
        gaps: of the models from the baseline, s.
        ratios: of their variances to the baseline's.
    """
    rest = 1.0 - sum(weights.values())
    heavy = min(MINOR, max([rest, *weights.values()]))
    speaking = [ratios[model] for model, weight in weights.items() if weight >= heavy]
    best = min([*speaking, 1.0] if rest >= heavy else speaking)
    mean = sum(w * gaps[m] for m, w in weights.items())
    spread = rest * mean**2 + sum(w * (gaps[m] - mean) ** 2 for m, w in weights.items())
    return variance * best + spread
