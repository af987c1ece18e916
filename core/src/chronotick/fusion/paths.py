"""Reading the forecasts of models: which one speaks at an instant, and what it says there."""

from __future__ import annotations

from collections.abc import Iterable

from chronotick.models.forecast import PathForecast


def gap_of(path: PathForecast, raw_ns: int, base_ns: int) -> float | None:
    """How far a forecast lies beyond the baseline, s; ``None`` if it is not finite."""
    try:
        return (path.offset_at(raw_ns) - base_ns) * 1e-9
    except (ValueError, OverflowError):  # rounding NaN or infinity
        return None


def speaker(by_loop: Iterable[PathForecast], raw_ns: int) -> PathForecast:
    """Which of a model's forecasts speaks for it at an instant.

    The short-term forecast while it reaches, else the one that reaches furthest.
    """
    paths = list(by_loop)
    if len(paths) == 1:
        return paths[0]
    covering = [path for path in paths if path.covers(raw_ns)]
    if covering:
        return min(covering, key=lambda path: path.step_ns)
    return max(paths, key=lambda path: path.issued_raw_ns + path.reach_ns)
