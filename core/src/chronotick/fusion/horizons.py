"""The horizons at which forecasts are judged, and where others lie between them."""

from __future__ import annotations

import math

HORIZONS_S = (1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0)
_RATIO = 4.0


def place_of(horizon_s: float) -> float:
    """Where a horizon lies among :data:`HORIZONS_S`, by ratio; 0.5 is half-way from 1 to 4 s."""
    place = math.log(max(horizon_s, HORIZONS_S[0]) / HORIZONS_S[0], _RATIO)
    return min(place, len(HORIZONS_S) - 1.0)


def horizon_index(horizon_s: float) -> int:
    """Which entry of :data:`HORIZONS_S` a horizon belongs to (nearest by ratio)."""
    return round(place_of(horizon_s))


def known_index(text: str | int) -> int:
    """Return the entry of :data:`HORIZONS_S` that a snapshot names.

    Raises:
        TypeError, ValueError: there is none.
    """
    index = int(text)
    if not 0 <= index < len(HORIZONS_S):
        raise ValueError(f"horizon {index}")
    return index
