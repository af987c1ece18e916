"""What coordinator and nodes say to each other: one JSON object on each line.

A message is a dataclass; its name goes along as ``"is"``. What arrives is checked field by field,
because anybody who reaches the port can send anything.
"""
# ruff: noqa: INP001 - part of a program, not of a package

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, TypeVar, get_type_hints

LONGEST = 65536
"""Bytes of a line; a longer one is no message of this protocol."""


class MessageError(Exception):
    """Raised when a line is no message, or not the one that is due."""


@dataclass(frozen=True)
class Join:
    """Node: here I am. ``host`` is the same for all nodes that share a hardware clock."""

    name: str
    host: str


@dataclass(frozen=True)
class Ask:
    """Coordinator: what is the time, and how well do you know it?"""


@dataclass(frozen=True)
class State:
    """Node: true time is in this interval (Unix ns), which widens by ``bound_growth`` (s/s)."""

    earliest_ns: int
    latest_ns: int
    bound_growth: float


@dataclass(frozen=True)
class Unable:
    """Node: I have no time to offer; ``code`` is the exit code that says so."""

    reason: str
    code: int


@dataclass(frozen=True)
class Propose:
    """Coordinator, phase 1: can you do this, starting at ``target_ns`` (Unix ns)?

    Attributes:
        target_ns: the first tick, in true time.
        period_ns: from one tick to the next.
        ticks: how many.
        writes: how many writes each node makes after the last tick.
        commit_wait: whether a write is acknowledged only when its stamp has passed for certain.
        max_bound_ns: a node whose bound at the first tick will be wider has to say no.
        tolerance_ns: a node that comes later than this to a tick leaves it out.
    """

    target_ns: int
    period_ns: int
    ticks: int
    writes: int
    commit_wait: bool
    max_bound_ns: int
    tolerance_ns: int


@dataclass(frozen=True)
class Vote:
    """Node: yes if ``objection`` is empty. ``too_soon``: a later target would do."""

    objection: str
    too_soon: bool


@dataclass(frozen=True)
class Decide:
    """Coordinator, phase 2: all have said yes, do it."""


@dataclass(frozen=True)
class Decided:
    """Node: I will."""


@dataclass(frozen=True)
class Abort:
    """Coordinator: it will not be done."""

    reason: str


@dataclass(frozen=True)
class Acted:
    """Node: I acted, when true time was in this interval (Unix ns).

    ``raw_before_ns`` and ``raw_after_ns`` are CLOCK_MONOTONIC_RAW around it: nodes on one host
    share that clock, so there it tells how far apart they really were.
    """

    tick: int
    earliest_ns: int
    latest_ns: int
    estimate_ns: int
    raw_before_ns: int
    raw_after_ns: int


@dataclass(frozen=True)
class Missed:
    """Node: I did not act at this tick."""

    tick: int
    reason: str


@dataclass(frozen=True)
class Begin:
    """Node: I want to write to the log."""

    number: int


@dataclass(frozen=True)
class Granted:
    """Coordinator: begin."""


@dataclass(frozen=True)
class Written:
    """Node: written, with this stamp (Unix ns): acknowledge it."""

    number: int
    stamp_ns: int


@dataclass(frozen=True)
class Done:
    """Node: that was all. Coordinator: all have been heard, good-bye."""


Message = (
    Join | Ask | State | Unable | Propose | Vote | Decide | Decided | Abort | Acted | Missed | Begin
    | Granted | Written | Done
)  # fmt: skip
Expected = TypeVar("Expected", bound=Message)
_KINDS: dict[str, type[Message]] = {kind.__name__: kind for kind in Message.__args__}


def encode(message: Message) -> bytes:
    """Return the line that says a message."""
    fields = {"is": type(message).__name__} | asdict(message)
    return json.dumps(fields, separators=(",", ":")).encode() + b"\n"


def decode(line: bytes) -> Message:
    """Return what a line says.

    Raises:
        MessageError: it is no message.
    """
    try:
        fields = json.loads(line)
        kind = _KINDS[fields.pop("is")]
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        raise MessageError(f"no message of this protocol: {_shown(line)}") from None
    hints = get_type_hints(kind)
    if fields.keys() != hints.keys() or not all(_is(fields[name], hints[name]) for name in hints):
        raise MessageError(f"a {kind.__name__} without its fields: {_shown(line)}")
    return kind(**fields)


def require(message: Message, kind: type[Expected]) -> Expected:
    """Return a message if it is the one that is due.

    Raises:
        MessageError: it is another.
    """
    if not isinstance(message, kind):
        raise MessageError(f"a {type(message).__name__} where a {kind.__name__} was due")
    return message


def _is(value: Any, kind: type) -> bool:  # noqa: ANN401 - any JSON value
    return type(value) is kind or (kind is float and type(value) is int)


def _shown(line: bytes) -> str:
    return repr(line[:60].decode(errors="replace"))
