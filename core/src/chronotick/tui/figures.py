"""Figures in little room: three digits and a unit, and lengths of time."""

from __future__ import annotations

import math

_UNITS = (("s", 1.0), ("ms", 1e-3), ("us", 1e-6), ("ns", 1e-9))
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86_400


def seconds(value: float | None, *, signed: bool = False, digits: int = 3) -> str:
    """A time in the unit that suits its size, such as ``12.3 us``; ``-`` if it is not known.

    Args:
        value: in seconds.
        signed: also show a plus.
        digits: how many count.
    """
    if value is None or not math.isfinite(value):
        return "-"
    unit, scale = next(((u, s) for u, s in _UNITS if abs(value) >= s), _UNITS[-1])
    whole = max(digits, 1 + math.floor(math.log10(abs(value) / scale or 1)))  # never 1.23e+03 s
    return f"{value / scale:{'+' if signed else ''}.{whole}g} {unit}"


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
