"""What a metric is: a name, what it says, and how it is read from facts about a daemon."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias


class Kind(enum.Enum):
    """The types of Prometheus that are used here."""

    GAUGE = "gauge"
    COUNTER = "counter"
    INFO = "info"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Buckets:
    """Counts by size.

    Attributes:
        bounds: upper ends, which belong to their buckets, ascending.
        counts: in each bucket alone, and beyond the last bound: one more than there are bounds.
        total: sum of all that was counted.
    """

    bounds: Sequence[float]
    counts: Sequence[int]
    total: float


Labels: TypeAlias = tuple[str, ...]
Told: TypeAlias = float | Mapping[Labels, float | None] | Buckets | None
"""One number; or one for each combination of label values; ``None``: not known now."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    Attributes:
        name: as it is queried: with ``_total`` or ``_info`` behind it.
        kind: its type.
        words: what it says; the help text.
        read: takes it from the facts of its part.
        labels: names of its labels.
    """

    name: str
    kind: Kind
    words: str
    read: Callable[[Any], Told]
    labels: Labels = ()


def gauge(name: str, words: str, read: Callable[[Any], Told], *labels: str) -> Metric:
    """A number that goes up and down."""
    return Metric(name, Kind.GAUGE, words, read, labels)


def counter(name: str, words: str, read: Callable[[Any], Told], *labels: str) -> Metric:
    """A number that only grows while the daemon runs."""
    return Metric(name, Kind.COUNTER, words, read, labels)
