"""Numbers for people: units, shares, intervals."""

from __future__ import annotations

import math
from typing import Final

from chronotick.lab.counting import plural

UNKNOWN: Final = "\N{EN DASH}"
_PREFIXES: Final = ((1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"))
_SMALLEST: Final = 1e-9
_BINARY: Final = ("B", "KiB", "MiB", "GiB", "TiB")
_FACTOR: Final = 1024.0


def quantity(value: float, unit: str) -> str:
    """Three significant digits and a unit: ``12.3 µs``; seconds get a prefix."""
    if not math.isfinite(value):
        return UNKNOWN
    if unit != "s":
        return f"{_digits(value)} {unit}".rstrip()
    scale, prefix = _prefix(value)
    return f"{_digits(value / scale)} {prefix}s"


def share(value: float, digits: int = 1) -> str:
    """``0.713`` as ``71.3 %``."""
    return UNKNOWN if not math.isfinite(value) else f"{value * 100:.{digits}f} %"


def shares(low: float, high: float) -> str:
    """An interval of shares: ``60.1 to 80.0 %``."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return UNKNOWN
    return f"{low * 100:.1f} to {high * 100:.1f} %"


def fraction(value: float) -> str:
    """``-3.131``: skill, wherever it is told."""
    return f"{value:.3f}" if math.isfinite(value) else UNKNOWN


def fractions(low: float, high: float) -> str:
    """An interval of them: ``-15.380 to -0.042``."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return UNKNOWN
    return f"{low:.3f} to {high:.3f}"


def number(value: float) -> str:
    """Three significant digits."""
    return _digits(value) if math.isfinite(value) else UNKNOWN


def count(value: float) -> str:
    """A whole number with thin spaces between thousands."""
    return f"{round(value):,}".replace(",", "\u202f") if math.isfinite(value) else UNKNOWN


def lead(horizon_s: float) -> str:
    """A horizon as it was asked for: ``64 s``, ``1 h``, ``1 d``."""
    for length, unit in ((86400.0, "d"), (3600.0, "h")):
        if horizon_s >= length and math.isclose(horizon_s % length, 0.0, abs_tol=1e-3):
            return f"{horizon_s / length:.6g} {unit}"
    return f"{horizon_s:.6g} s"


def size(octets: float) -> str:
    """A size of memory: ``812 MiB``."""
    if not math.isfinite(octets):
        return UNKNOWN
    power = min(int(math.log(max(octets, 1.0), _FACTOR)), len(_BINARY) - 1)
    return f"{_digits(octets / _FACTOR**power)} {_BINARY[power]}"


def often(counted: int, noun: str) -> str:
    """``1 trace``, ``2 traces``."""
    return f"{count(counted)} {plural(counted, noun)}"


def _prefix(value: float) -> tuple[float, str]:
    size_ = abs(value)
    if size_ < _SMALLEST:
        return _PREFIXES[-1] if size_ else _PREFIXES[0]
    return next(pair for pair in _PREFIXES if float(f"{size_:.3g}") >= pair[0])


def _digits(value: float) -> str:
    """Three significant digits, none lost to an exponent where a plain number will do."""
    rounded = float(f"{value:.3g}")
    if rounded and not 1e-3 <= abs(rounded) < 1e6:  # noqa: PLR2004 - readable without an exponent
        return f"{rounded:.2e}"
    if abs(rounded) >= 100:  # noqa: PLR2004 - three digits before the point
        return f"{rounded:.0f}"
    return f"{rounded:.3g}" if rounded == 0 else f"{value:#.3g}"
