"""Readers of options that are local times of a recording, exact, and of stretches of them."""

from __future__ import annotations

import re
from decimal import Decimal

import click

from chronotick.cli.durations import UNIT_S

_FORM = re.compile(r"([+-]?(?:\d{1,12}(?:\.\d{0,9})?|\.\d{1,9}))\s*([a-z]*)")
_NS_PER_S = 1_000_000_000
BETWEEN = ".."


def instant(text: str) -> int:
    """Read a local time, which may be negative; without a unit, seconds.

    Returns:
        Nanoseconds.

    Raises:
        click.BadParameter: it is none.
    """
    match = _FORM.fullmatch(str(text).strip().lower())
    if match is None or match[2] not in UNIT_S:
        raise click.BadParameter(f"{text!r} is not a time such as 5400, 90m, 24h or 2d.")
    return int(Decimal(match[1]) * UNIT_S[match[2]] * _NS_PER_S)


def stretch(text: str) -> tuple[int, int]:
    """Read ``FROM..TO``.

    Returns:
        Both ends in nanoseconds.

    Raises:
        click.BadParameter: it is none, or its end does not come after its beginning.
    """
    first, between, last = str(text).partition(BETWEEN)
    if not between:
        raise click.BadParameter(f"{text!r} is no stretch of time: write FROM..TO.")
    ends = instant(first), instant(last)
    if ends[0] >= ends[1]:
        raise click.BadParameter(f"{text}: the end must come after the beginning.")
    return ends
