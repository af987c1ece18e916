"""What a line of the log is about: the names and fields that programs read beside its words.

A call site writes a sentence, as everywhere. The events that programs look for stand here, known by
their logger and template, so that their names and fields are one list. A line that is logged with
``extra={"event": "name", "fields": {...}}`` (and ``"is_change": True``, if it is one) needs none.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone

Value = str | int | float | bool | None

NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Event:
    """One kind of event.

    Attributes:
        name: of the event.
        fields: names of the arguments of its template, in their order.
        is_change: something went from one state into another: no rate limit drops it.
    """

    name: str
    fields: tuple[str, ...]
    is_change: bool = True


EVENTS: Mapping[tuple[str, str], Event] = {
    ("chronotick.status", "%s -> %s: %s"): Event("state", ("before", "after", "reason")),
    ("chronotick.ntp", "%s%s: %s%s"): Event("source", ("source", "server", "reason", "detail")),
    ("chronotick.ntp", "%s%s: cannot be asked: %s"): Event(
        "source_fault", ("source", "server", "detail")
    ),
    ("chronotick.ntp", "%s%s: can be asked again"): Event(
        "source_fault_over", ("source", "server")
    ),
    ("chronotick.ntp", "%s (%s): does not answer, replaced"): Event(
        "source_replaced", ("source", "server")
    ),
    ("chronotick.models", "%s: %s -> %s%s"): Event("model", ("model", "before", "after", "reason")),
    ("chronotick.fusion", "%s is %s"): Event("model_demoted", ("model", "reason")),
    ("chronotick.fusion", "%s has proven itself again: %s"): Event(
        "model_restored", ("model", "reason")
    ),
    ("chronotick.daemon", "estimate rebuilt without %s"): Event("estimate_rebuilt", ("source",)),
    (
        "chronotick.daemon",
        "system clock stepped by %+.6f s by someone; served time does not move",
    ): Event("system_clock_stepped", ("step_s",), is_change=False),
    ("chronotick.daemon", "no plan for %.0f s: publication stops"): Event(
        "publication_stopped", ("silent_s",)
    ),
}


def event_of(record: logging.LogRecord) -> tuple[str, dict[str, Value]]:
    """Name and fields of what a record is about; an empty name where it is no event."""
    name = getattr(record, "event", "")
    if name:
        fields = getattr(record, "fields", {})
        return str(name), {str(key): _value(value) for key, value in fields.items()}
    event = EVENTS.get((record.name, str(record.msg)))
    if event is None or not isinstance(record.args, tuple):
        return "", {}
    values = zip(event.fields, record.args, strict=False)
    return event.name, {field: _value(value) for field, value in values}


def is_change(record: logging.LogRecord) -> bool:
    """Whether a record tells of a change of state, which is never left out."""
    event = EVENTS.get((record.name, str(record.msg)))
    return getattr(record, "is_change", False) if event is None else event.is_change


def time_ns(record: logging.LogRecord) -> int:
    """When a record was made, by the system clock: Unix time in ns."""
    return round(record.created * 1e6) * 1000  # a float of today's seconds holds no more


def iso_time(unix_ns: int) -> str:
    """Unix time in ns as ISO 8601 in UTC, to the microsecond."""
    whole_s, rest_ns = divmod(unix_ns, NS_PER_S)
    at = datetime.fromtimestamp(whole_s, tz=timezone.utc).replace(microsecond=rest_ns // 1000)
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _value(value: object) -> Value:
    """A value as JSON has them; words lose the marks that joined them to the sentence."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, (bool, int, float)):
        return value
    words = str(value).strip().removeprefix(": ")
    return words[1:-1] if words.startswith("(") and words.endswith(")") else words
