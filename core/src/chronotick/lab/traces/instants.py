"""Times and steps as tables of series state them: seconds, or dates with a time of day."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

from chronotick.lab.recordings.decimals import is_missing, nanoseconds
from chronotick.lab.recordings.errors import CellError
from chronotick.lab.recordings.plausible import LARGEST_S, unit_of_instant

NS_PER_S = 1_000_000_000
LARGEST_NS = round(LARGEST_S * NS_PER_S)
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_DATE = re.compile(
    r"(\d{4}-\d\d-\d\d)"
    r"(?:[T ](\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,9}))?)?"
    r"\s*(Z|UTC|[+-]\d\d:?\d\d)?",
)
_STEP = re.compile(r"(\d{0,9})\s*([A-Za-z]+)(?:-[A-Z]{3})?")
_STEPS_NS = {
    **dict.fromkeys(("ns", "n", "nanosecond", "nanoseconds"), 1),
    **dict.fromkeys(("us", "u", "microsecond", "microseconds"), 1_000),
    **dict.fromkeys(("ms", "l", "millisecond", "milliseconds"), 1_000_000),
    **dict.fromkeys(("s", "sec", "second", "seconds"), NS_PER_S),
    **dict.fromkeys(("t", "min", "minute", "minutes"), 60 * NS_PER_S),
    **dict.fromkeys(("h", "hour", "hours"), 3600 * NS_PER_S),
    **dict.fromkeys(("d", "day", "days"), 86_400 * NS_PER_S),
    **dict.fromkeys(("w", "week", "weeks"), 7 * 86_400 * NS_PER_S),
}


def instant_ns(text: str, column: str = "") -> int:
    """Read a number of seconds, or an ISO 8601 date and time (UTC unless it says otherwise).

    Args:
        text: as it stands in the file.
        column: where.

    Raises:
        CellError: it is neither, or no time that a series can have.
    """
    found = _DATE.fullmatch(text.strip())
    if found is not None:
        return _date_ns(found, column)
    instant = _number_ns(text, column)
    if abs(instant) >= LARGEST_NS:
        seconds = abs(instant) / NS_PER_S
        raise CellError(f"a time of {seconds:.4g} s: {unit_of_instant(seconds)}", column)
    return instant


def step_ns(text: str) -> int:
    """Read a step as pandas names it: ``s``, ``5min``, ``h``, ``D``, ``W-SUN``.

    Raises:
        CellError: it is none, or one whose length varies.
    """
    found = _STEP.fullmatch(text.strip())
    unit_ns = _STEPS_NS.get(found[2].lower()) if found and found[2] not in {"M", "MS"} else None
    if found is None or unit_ns is None:
        problem = f"{text!r} is no step of a fixed length. Write a number and s, min, h or D"
        raise CellError(problem, "freq")
    count = int(found[1] or 1)
    if not count:
        raise CellError(f"{text!r} is no step", "freq")
    return count * unit_ns


def _number_ns(text: str, column: str) -> int:
    if is_missing(text):
        raise CellError("there is no time", column)
    try:
        return nanoseconds(text, column)
    except CellError:
        if any(character.isdigit() for character in text) and set(text) & set("-/:"):
            problem = f"{text.strip()!r} is no time. Write 2025-10-14T12:00:00, or seconds"
            raise CellError(problem, column) from None
        raise


def _date_ns(found: re.Match[str], column: str) -> int:
    date, clock, fraction, zone = found.groups()
    written = f"{date}T{clock or '00:00'}{_zone(zone)}"
    try:
        since: timedelta = datetime.fromisoformat(written) - _EPOCH
    except (ValueError, OverflowError) as error:
        raise CellError(f"{found[0]!r} is no time ({error})", column) from None
    whole_ns = (since.days * 86_400 + since.seconds) * NS_PER_S
    if abs(whole_ns) >= LARGEST_NS:
        raise CellError(f"{found[0]!r} is outside the years 1828 to 2111", column)
    return whole_ns + int((fraction or "").ljust(9, "0"))


def _zone(zone: str | None) -> str:
    if zone in {None, "Z", "UTC"}:
        return "+00:00"
    assert zone is not None  # noqa: S101 - one of the above
    return zone if ":" in zone else f"{zone[:3]}:{zone[3:]}"
