"""Seconds as people write them, as whole nanoseconds, exactly."""

from __future__ import annotations

import math

NS_PER_S = 1_000_000_000


def iso8601(unix_ns: int, offset: str = "+00:00") -> str:
    """Unix time in ISO 8601, in UTC, with nanoseconds, which datetime does not have.

    Args:
        unix_ns: the instant.
        offset: how UTC is written: ``+00:00`` or ``Z``.

    Raises:
        OverflowError, ValueError: the year is none of 1 to 9999.
    """
    from datetime import datetime, timezone

    whole, ns = divmod(unix_ns, NS_PER_S)
    at = datetime.fromtimestamp(whole, timezone.utc)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{ns:09d}{offset}"


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
