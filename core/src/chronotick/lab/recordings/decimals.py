"""Decimal numbers of seconds as exact integer nanoseconds.

A float holds Unix time to 0.2 us only; files state it to the nanosecond.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from chronotick.lab.recordings.errors import CellError

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
        plain = text.replace("_", "?")  # Python takes 1_000 for a number
        return int(Decimal(plain).scaleb(9).to_integral_value())
    except InvalidOperation:
        hint = ": write a decimal point" if "," in text else ""
        raise CellError(f"{text.strip()!r} is no number of seconds{hint}", column) from None
    except (OverflowError, ValueError):  # infinity, and NaN under another name
        raise CellError(f"{text.strip()!r} is not finite", column) from None


def resolution_ns(text: str) -> int:
    """What the last digit of a number of seconds is worth; at least a nanosecond."""
    exponent = Decimal(text).as_tuple().exponent
    return max(round(10.0 ** (int(exponent) + 9)), 1)
