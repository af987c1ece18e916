"""Seconds as people write them, as whole nanoseconds, exactly."""

from __future__ import annotations

import math

NS_PER_S = 1_000_000_000


def floor_ns(seconds: float) -> int:
    """Return the last nanosecond that is not after a moment (Unix s).

    Computed in integers: multiplying a float of today's size by 1e9 is up to 128 ns off.

    Raises:
        ValueError: not a finite number.
    """
    if not math.isfinite(seconds):
        raise ValueError(f"{seconds!r} is not a moment")
    numerator, denominator = seconds.as_integer_ratio()
    return numerator * NS_PER_S // denominator


def ceil_ns(seconds: float) -> int:
    """Return the first nanosecond that is not before a moment (Unix s).

    Raises:
        ValueError: not a finite number.
    """
    return -floor_ns(-seconds)
