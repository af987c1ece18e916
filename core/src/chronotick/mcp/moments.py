"""Moments as agents write them: Unix nanoseconds, ISO 8601, an answer of another tool, ``now``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, WithJsonSchema

from chronotick.client.errors import ChronoTickError
from chronotick.shm.record import MAX_UTC_NS
from chronotick.views import TimeReading

NS_PER_S: Final = 1_000_000_000
NOW: Final = "now"

LEAST_NS: Final = 10**17
"""March 1973: a smaller number of today's is seconds, milliseconds or microseconds."""

ACCEPTED: Final = (
    "Unix time in integer nanoseconds, ISO 8601 with an offset (2026-11-30T09:00:00.25+01:00, "
    "2026-11-30T08:00:00Z), `now`, or what another tool answered: an object with `earliest_ns` and "
    "`latest_ns`, or with `time_ns` and `bound_ns`"
)

_LONGEST_SHOWN: Final = 60  # characters of what was sent that are told back

_ISO: Final = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?"
    r" ?(?:([Zz])|([+-]\d{2}):?(\d{2}))?",
    re.ASCII,
)
_DIGITS: Final = re.compile(r"-?\d{1,20}", re.ASCII)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)
_INTERVAL: Final = ("earliest_ns", "latest_ns")
_BOUNDED: Final = ("time_ns", "bound_ns")


class MomentError(ChronoTickError):
    """Raised when a moment is not where a tool needs it: it has passed, or is too far ahead."""


@dataclass(frozen=True)
class Moment:
    """An instant that lies somewhere in an interval, its ends included.

    Attributes:
        earliest_ns: it is not before this (Unix ns).
        latest_ns: it is not after this (Unix ns); the same where it is exactly known.
    """

    earliest_ns: int
    latest_ns: int


def read_moment(value: object) -> Moment | Literal["now"]:
    """Read a moment of an agent's.

    Raises:
        ValueError: it is none, or not surely one; the message says what would be.
    """
    if isinstance(value, Moment):
        return value
    if isinstance(value, str):
        return _text(value.strip())
    if isinstance(value, Mapping):
        return _object(value)
    return _exact(_integer(value))


def moment_of(reading: TimeReading) -> Moment:
    """Return where true time is, as a reading says."""
    return Moment(reading.earliest_ns, reading.latest_ns)


def shown(value: object) -> str:
    """What was sent, for an error: as much as helps to find it."""
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."


def _text(text: str) -> Moment | Literal["now"]:
    if text.lower() == NOW:
        return NOW
    # Large integers come as text from programs whose numbers have 53 bits.
    return _exact(_integer(int(text)) if _DIGITS.fullmatch(text) else _iso_ns(text))


def _exact(unix_ns: int) -> Moment:
    return Moment(unix_ns, unix_ns)


def _integer(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{shown(value)} is no moment")  # noqa: TRY004 - pydantic wants ValueError
    if abs(value) < LEAST_NS:
        raise ValueError(
            f"{value} is not a time of today in nanoseconds: if it is seconds, multiply it by "
            "1000000000"
        )
    return _within(value)


def _within(unix_ns: int) -> int:
    if abs(unix_ns) > MAX_UTC_NS:
        raise ValueError("the moment is after 2116 or before 1823")
    return unix_ns


def _iso_ns(text: str) -> int:
    match = _ISO.fullmatch(text)
    if match is None:
        raise ValueError(f"{shown(text)} is no moment")
    day, minutes, second, fraction, zulu, hours, rest = match.groups()
    if not zulu and not hours:
        raise ValueError(f"{text!r} has no offset: end it with Z for UTC, or with one like +02:00")
    offset = "+00:00" if zulu else f"{hours}:{rest}"
    try:
        at = datetime.fromisoformat(f"{day}T{minutes}:{second or '00'}{offset}")
    except ValueError as error:
        raise ValueError(f"{text!r} is no moment: {error}") from error
    since = at - _EPOCH
    whole_s = since.days * 86_400 + since.seconds
    return _within(whole_s * NS_PER_S + int((fraction or "0").ljust(9, "0")))


def _object(value: Mapping[Any, Any]) -> Moment:
    if value.get("reliable", True) is not True:
        raise ValueError(
            f"reliable is {shown(value['reliable'])}, so nobody vouches for the interval; read the "
            "time again when get_daemon_status says synchronised"
        )
    if all(name in value for name in _INTERVAL):
        earliest_ns, latest_ns = (_member(value, name) for name in _INTERVAL)
    elif all(name in value for name in _BOUNDED):
        time_ns, bound_ns = _member(value, "time_ns"), value["bound_ns"]
        if not isinstance(bound_ns, int) or isinstance(bound_ns, bool) or bound_ns < 0:
            raise ValueError(f"bound_ns {shown(bound_ns)} is no number of nanoseconds from 0 on")
        earliest_ns, latest_ns = _within(time_ns - bound_ns), _within(time_ns + bound_ns)
    else:
        raise ValueError(
            "the object has neither earliest_ns and latest_ns nor time_ns and bound_ns"
        )
    if earliest_ns > latest_ns:
        raise ValueError(f"earliest_ns {earliest_ns} is after latest_ns {latest_ns}")
    return Moment(earliest_ns, latest_ns)


def _member(value: Mapping[Any, Any], name: str) -> int:
    try:
        return _integer(value[name])
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def _numbers(first: str, second: str) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {first: {"type": "integer"}, second: {"type": "integer"}},
        "required": [first, second],
    }


MomentArgument = Annotated[
    Moment | Literal["now"],
    BeforeValidator(read_moment),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "description": "Unix time in nanoseconds."},
                {"type": "string", "description": "ISO 8601 with an offset, or `now`."},
                _numbers(*_INTERVAL),
                _numbers(*_BOUNDED),
            ]
        }
    ),
]
"""The type of a tool's parameter that is a moment."""
