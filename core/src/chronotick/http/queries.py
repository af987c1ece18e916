"""Parameters of requests: what each route takes, checked, with errors that name what is wrong."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Annotated, Any, Final, TypeVar
from urllib.parse import parse_qsl

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from chronotick.access.errors import bad_request
from chronotick.http.problems import invalid

NS_PER_S: Final = 1_000_000_000
LONGEST_AHEAD_S: Final = 3600.0
LONGEST_STRETCH_NS: Final = 366 * 86_400 * NS_PER_S
MOST_PARAMETERS: Final = 16
FIELDS: Final = ("clock", "weights", "measurements", "forecasts", "transitions")
NOW_NS: Final = "now_ns"

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)
_LAST_NS: Final = (1 << 63) - 1
_LEAST_NS: Final = 10**10  # a smaller number was hardly meant as nanoseconds since 1970
_UNIX_NS = re.compile(r"[0-9]{1,19}")
_BEFORE_NOW = re.compile(r"-([0-9]{1,9})(?:\.([0-9]{1,9}))?")
_DATE = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(?:[Zz]|([+ -])(\d\d:\d\d))",
    re.ASCII,
)

Q = TypeVar("Q", bound="Query")


class Query(BaseModel):
    """Parameters of a route; there are no others."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=False)


class NoQuery(Query):
    """Of a route that takes none."""


class TimeQuery(Query):
    """Parameters of ``/v1/time``."""

    ahead_s: float = Field(
        default=0.0,
        ge=0.0,
        le=LONGEST_AHEAD_S,
        allow_inf_nan=False,
        description="What the present record says about so many seconds later (0 to 3600).",
    )

    @property
    def ahead_ns(self) -> int:
        """The same in nanoseconds."""
        return round(self.ahead_s * NS_PER_S)


class StreamQuery(Query):
    """Parameters of ``/v1/stream``."""

    rate: float = Field(
        default=1.0,
        gt=0.0,
        allow_inf_nan=False,
        description="Times per second, above 0; `hello` says which rate it has become (0.1 to 20).",
    )


def instant_ns(text: str, now_ns: Callable[[], int] = time.time_ns) -> int:
    """Read an instant: an integer of Unix ns, ISO 8601 with an offset, or ``-SECONDS`` before now.

    Args:
        text: as it stands in the request.
        now_ns: tells Unix time (ns), when that is needed.

    Returns:
        Unix time (ns).

    Raises:
        ValueError: it is none of these.
    """
    if _UNIX_NS.fullmatch(text) and int(text) <= _LAST_NS:
        return int(text)
    if before := _BEFORE_NOW.fullmatch(text):
        return now_ns() - _ns(*before.groups())
    if date := _DATE.fullmatch(text):
        return _date_ns(date)
    raise ValueError(
        f"{text[:40]!r} is no time: an integer of Unix nanoseconds, ISO 8601 with an offset "
        "(2026-11-30T09:00:00Z), or -SECONDS before now"
    )


def _date_ns(found: re.Match[str]) -> int:
    date, clock, fraction, sign, zone = found.groups()
    # A plus that was not escaped arrives as a space.
    offset = f"{'-' if sign == '-' else '+'}{zone or '00:00'}"
    at = datetime.fromisoformat(f"{date}T{clock}{offset}")
    if at < _EPOCH:
        raise ValueError(f"{found[0]!r} is before 1970")
    return _ns((at - _EPOCH) // timedelta(seconds=1), fraction)


def _ns(whole: str | int, fraction: str | None) -> int:
    return int(whole) * NS_PER_S + int((fraction or "").ljust(9, "0"))


def _names(text: str) -> str:
    asked = list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    unknown = [name for name in asked if name not in FIELDS]
    if unknown or not asked:
        wrong = f"{unknown[0][:40]!r} is none" if unknown else "none is named"
        raise ValueError(f"{wrong}; there are: {', '.join(FIELDS)}")
    return ",".join(asked)


def _instant_ns(text: str, info: ValidationInfo) -> int:
    return instant_ns(text, (info.context or {}).get(NOW_NS, time.time_ns))


Instant = Annotated[
    int,
    BeforeValidator(_instant_ns),
    Field(
        json_schema_extra={"type": "string"},
        description="Integer of Unix nanoseconds, ISO 8601 with an offset, or -SECONDS before now.",
    ),
]


class HistoryQuery(Query):
    """Parameters of ``/v1/history``."""

    from_ns: Instant = Field(default="-3600", validate_default=True, alias="from")
    to_ns: Instant = Field(default="-0", validate_default=True, alias="to")
    fields: Annotated[str, AfterValidator(_names)] = Field(
        default=",".join(FIELDS),
        validate_default=True,
        description="Names by commas, of: " + ", ".join(FIELDS) + ".",
    )
    points: int = Field(
        default=1000,
        ge=1,
        le=10_000,
        description="About how many rows of `clock` and `weights` (1 to 10000).",
    )

    @model_validator(mode="after")
    def _ordered(self) -> HistoryQuery:
        if self.from_ns >= self.to_ns:
            raise ValueError("`from` must be before `to`")
        if self.to_ns - self.from_ns > LONGEST_STRETCH_NS:
            seconds = 0 < self.from_ns < _LEAST_NS
            meant = f"; {self.from_ns} s before now are from=-{self.from_ns}" if seconds else ""
            raise ValueError(f"at most 366 days are told at once{meant}")
        return self


def parse(model: type[Q], query_string: bytes, now_ns: Callable[[], int] = time.time_ns) -> Q:
    """Read the parameters of a request.

    Args:
        model: what the route takes.
        query_string: as it stands in the URL, without ``?``.
        now_ns: tells Unix time (ns), from which some parameters count.

    Raises:
        HttpError: 400: unknown, repeated or wrong parameters, with what would be right.
    """
    given = _pairs(query_string) if query_string else {}
    known = [field.alias or name for name, field in model.model_fields.items()]
    unknown = [name for name in given if name not in known]
    if unknown:
        hint = f"There are: {', '.join(known)}." if known else "This route takes none."
        raise bad_request(f"there is no parameter {unknown[0][:40]!r}", hint)
    try:
        return model.model_validate(given, context={NOW_NS: now_ns})
    except ValidationError as error:
        raise invalid(error, _hint(model, error)) from None


def _hint(model: type[Query], error: ValidationError) -> str:
    """What the parameters that are wrong must be."""
    wrong = {str(each["loc"][0]) for each in error.errors(include_url=False) if each["loc"]}
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    told = [name for name in fields if name in wrong or not wrong]  # none: how they fit together
    return " ".join(f"{name}: {fields[name].description}" for name in told)


def _pairs(query_string: bytes) -> dict[str, Any]:
    try:
        pairs = parse_qsl(
            query_string.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MOST_PARAMETERS,
        )
    except ValueError:
        raise bad_request(
            "the parameters cannot be read",
            f"Write NAME=VALUE&NAME=VALUE in UTF-8, escaped, at most {MOST_PARAMETERS} of them.",
        ) from None
    given = dict(pairs)
    if len(given) < len(pairs):
        twice = next(name for name, count in Counter(n for n, _ in pairs).items() if count > 1)
        raise bad_request(f"the parameter {twice[:40]!r} is given twice", "Give each once.")
    return given
