"""The type of options that are times: ``64s``, ``10m``, ``24h``, ``2d``, or plain seconds."""

from __future__ import annotations

import re
from decimal import Decimal
from types import MappingProxyType

import click

from chronotick.cli.numbers import FiniteRange

_UNITS = {"": "1", "ms": "0.001", "s": "1", "m": "60", "min": "60", "h": "3600", "d": "86400"}
UNIT_S = MappingProxyType({name: Decimal(seconds) for name, seconds in _UNITS.items()})
_FORM = re.compile(r"(?P<number>(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)\s*(?P<unit>[a-z]*)")


class Duration(FiniteRange):
    """A length of time, in s.

    Args:
        least_s: the shortest.
    """

    name = "duration"

    def __init__(self, least_s: float = float(UNIT_S["ms"])) -> None:
        super().__init__(min=least_s)

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return seconds, or end with code 2."""
        found = _FORM.fullmatch(str(value).strip().lower())
        if found is None or found["unit"] not in UNIT_S:
            self.fail(f"{value!r} is not a time such as 64s, 10m, 24h or 2d.", param, ctx)
        return super().convert(float(found["number"]) * float(UNIT_S[found["unit"]]), param, ctx)


DURATION = Duration()
DURATION_OR_NONE = Duration(least_s=0.0)
