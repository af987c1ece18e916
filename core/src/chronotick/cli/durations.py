"""The type of options that are times: ``64s``, ``10m``, ``24h``, ``2d``, or plain seconds."""

from __future__ import annotations

import re
from types import MappingProxyType

import click

from chronotick.cli.numbers import FiniteRange

UNIT_S = MappingProxyType(
    {"": 1.0, "ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}
)
_FORM = re.compile(r"(?P<number>(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)\s*(?P<unit>[a-z]*)")


class Duration(FiniteRange):
    """A length of time above zero, in s."""

    name = "duration"

    def __init__(self) -> None:
        super().__init__(min=0, min_open=True)

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return seconds, or end with code 2."""
        found = _FORM.fullmatch(str(value).strip().lower())
        if found is None or found["unit"] not in UNIT_S:
            self.fail(f"{value!r} is not a time such as 64s, 10m, 24h or 2d.", param, ctx)
        return super().convert(float(found["number"]) * UNIT_S[found["unit"]], param, ctx)


DURATION = Duration()
