"""Decimal numbers of seconds as exact integer nanoseconds.

A float holds Unix time to 0.2 us only; files state it to the nanosecond.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from chronotick.lab.recordings.errors import CellError

NS_PER_S = 1_000_000_000
LARGEST_DIGITS = 20  # before the point: Unix time in nanoseconds, taken for seconds, has 19
MISSING = frozenset({"", "nan", "na", "n/a", "null", "none", "-"})


def is_missing(text: str) -> bool:
    """Whether a cell says that there is no value."""
    return text.strip().lower() in MISSING


def nanoseconds(text: str, column: str = "") -> int:
    """Read seconds, rounded to the nearest nanosecond.

    Args:
        text: a decimal number, also with an exponent.
        column: where it stands.

    Raises:
        CellError: it is no finite number.
    """
    try:
        seconds = Decimal(text.replace("_", "?"))  # Python takes 1_000 for a number
    except InvalidOperation:
        hint = ": write a decimal point" if "," in text else ""
        raise CellError(f"{text.strip()!r} is no number of seconds{hint}", column) from None
    if not seconds.is_finite():
        raise CellError(f"{text.strip()!r} is not finite", column)
    if seconds.adjusted() >= LARGEST_DIGITS:
        raise CellError(f"{text.strip()!r} s is longer than any time", column)
    return int(seconds.scaleb(9).to_integral_value())


def resolution_ns(text: str) -> int:
    """What the last digit of a number of seconds is worth; at least a nanosecond."""
    exponent = Decimal(text).as_tuple().exponent
    return max(round(10.0 ** (int(exponent) + 9)), 1)


def exact_seconds(nanoseconds: int) -> str:
    """Nanoseconds as decimal seconds, every digit of them."""
    whole, fraction = divmod(abs(nanoseconds), NS_PER_S)
    return f"{'-' if nanoseconds < 0 else ''}{whole}.{fraction:09d}"
