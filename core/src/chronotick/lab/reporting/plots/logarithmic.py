"""Logarithmic axes whose ticks people can read."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, Final

from chronotick.lab.reporting.plots.canvas import axis
from chronotick.lab.reporting.quantities import lead, quantity

_MOST: Final = 8  # ticks
_MANTISSAS: Final = (
    (1.0, 1.2, 1.4, 1.6, 1.8, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0),
    (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0),
    (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0),
    (1.0, 2.0, 5.0),
    (1.0, 3.0),
    (1.0,),
)
_ROOM: Final = 0.06  # of the axis, beyond the data
_LEAST_DECADES: Final = 0.15
_NICE: Final = (1.0, 0.5, 2.0, 0.1, 10.0, 100.0, 0.01, 5.0, 0.2, 20.0, 50.0, 3.0, 0.8, 1.2, 1.5)
_FINE: Final = (0.9, 1.1, 0.7, 0.35, 1.05, 0.95, 0.05, 0.02)
_APART: Final = 0.11  # of the axis, at least, between two ticks of skill


def unit_axis(title: str, unit: str, values: Iterable[float]) -> dict[str, Any]:
    """Return a logarithmic axis of values in a unit."""
    return log_axis(title, values, lambda value: _trimmed(quantity(value, unit)))


def ratio_axis(title: str, values: Iterable[float]) -> dict[str, Any]:
    """Return a logarithmic axis of ratios that shows where 1 is."""
    return log_axis(title, [*values, 1.0], lambda value: f"{value:.6g}")


def log_axis(title: str, values: Iterable[float], named: Callable[[float], str]) -> dict[str, Any]:
    """Return a logarithmic axis around values, each tick with a name."""
    low, high = _ends(values)
    ticks = _ticks(low, high)
    texts = [named(tick) for tick in ticks]
    return axis(title, type="log", range=[low, high], tickvals=ticks, ticktext=texts)


def horizon_axis(horizons_s: Iterable[float]) -> dict[str, Any]:
    """Return a logarithmic axis of horizons with a tick at each that has room."""
    horizons = sorted(set(horizons_s))
    low, high = _ends(horizons)
    kept: list[float] = []
    for horizon_s in horizons:
        if not kept or math.log10(horizon_s / kept[-1]) > _ROOM * (high - low):
            kept.append(horizon_s)
    texts = [lead(each) for each in kept]
    return axis("horizon", type="log", range=[low, high], tickvals=kept, ticktext=texts)


def skill_axis(title: str, ratios: Iterable[float]) -> dict[str, Any]:
    """Return an axis for relative errors that tells them as skill; better is right, or top.

    Skill is 1 - (error / error of the baseline). A model that is ten times worse has -9: on a
    linear axis, nothing else could be seen.
    """
    low, high = _ends([*ratios, 1.0])
    chosen: list[float] = []
    for ratio in (*_NICE, *_FINE):
        place = math.log10(ratio)
        if low <= place <= high and all(
            abs(place - math.log10(other)) >= _APART * (high - low) for other in chosen
        ):
            chosen.append(ratio)
    texts = [f"{round(1.0 - ratio, 2):g}" for ratio in chosen]
    return axis(title, type="log", range=[high, low], tickvals=chosen, ticktext=texts)


def _ends(values: Iterable[float]) -> tuple[float, float]:
    """Powers of ten around values."""
    known = [math.log10(value) for value in values if math.isfinite(value) and value > 0] or [0.0]
    low, high = min(known), max(known)
    lacking = max(_LEAST_DECADES - (high - low), 0.0) / 2
    room = _ROOM * max(high - low, _LEAST_DECADES) + lacking
    return low - room, high + room


def _ticks(low: float, high: float) -> list[float]:
    """The most ticks that are not too many."""
    decades = range(math.floor(low), math.ceil(high) + 1)
    for mantissas in _MANTISSAS:
        ticks = [
            float(f"{mantissa}e{decade}")
            for decade in decades
            for mantissa in mantissas
            if low <= math.log10(mantissa) + decade <= high
        ]
        if len(ticks) <= _MOST:
            return ticks
    return ticks[:: math.ceil(len(ticks) / _MOST)]


def _trimmed(text: str) -> str:
    """``20.0 µs`` as ``20 µs``."""
    value, _, unit = text.partition(" ")
    if "." in value and "e" not in value:
        value = value.rstrip("0").rstrip(".")
    return f"{value} {unit}".rstrip()
