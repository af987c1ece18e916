"""Types of numeric options: they refuse what could only fail later."""

from __future__ import annotations

import math
from typing import cast

import click


class FiniteRange(click.FloatRange):
    """A range of numbers without NaN, which passes every comparison, and infinities."""

    name = "float range"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the number, or end with code 2."""
        number = super().convert(cast("float", value), param, ctx)  # it takes text, says otherwise
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


ABOVE_ZERO = FiniteRange(min=0, min_open=True)
FROM_ZERO = FiniteRange(min=0)
PAUSE = FiniteRange(min=0, min_open=True, max=86_400)  # time.sleep() has a limit
COUNT = click.IntRange(min=1)
SERVERS = click.IntRange(min=1, max=100)  # a socket each
FALSE_SERVERS = click.IntRange(min=0, max=100)
SEED = click.IntRange(min=0)
LAST_PORT = 65_535
PORT = click.IntRange(min=0, max=LAST_PORT)
