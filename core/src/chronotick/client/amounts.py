"""Figures in little room, for the monitor and for commands: a few digits and a unit."""

from __future__ import annotations

import math

_UNITS = (("s", 1.0), ("ms", 1e-3), ("us", 1e-6), ("ns", 1e-9))
_NEARLY = 0.9995  # of a unit is one, rounded to three digits: 1 ms, not 1e+03 us
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86_400


def seconds(value: float | None, *, signed: bool = False, digits: int = 3) -> str:
    """A time in the unit that suits its size, such as ``12.3 us``; ``-`` if it is not known.

    Whole nanoseconds: no clock here tells less.

    Args:
        value: in seconds.
        signed: also show a plus.
        digits: how many count.
    """
    if value is None or not math.isfinite(value):
        return "-"
    unit, scale = next(((u, s) for u, s in _UNITS if abs(value) >= s * _NEARLY), _UNITS[-1])
    scaled, plus = value / scale, "+" if signed else ""
    if unit == "ns" or abs(scaled) >= 10**digits - 0.5:  # never 1.23e+03 s
        return f"{round(scaled):{plus}d} {unit}"
    return f"{scaled:{plus}.{digits}g} {unit}"


def duration(value_s: float | None) -> str:
    """A length of time in its two largest units, such as ``2 h 5 min``."""
    if value_s is None or not math.isfinite(value_s):
        return "-"
    whole = max(0, int(value_s))
    for unit, below, size, part in (
        ("d", "h", _DAY_S, _HOUR_S),
        ("h", "min", _HOUR_S, _MINUTE_S),
        ("min", "s", _MINUTE_S, 1),
    ):
        if whole >= size:
            rest = whole % size // part
            return f"{whole // size} {unit} {rest} {below}" if rest else f"{whole // size} {unit}"
    return f"{whole} s"
