"""What the daemon says of its time servers: the answer to ``sources``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from chronotick.metrics.metric import Labels, Metric, Told, counter, gauge
from chronotick.ntp.checks import Drop
from chronotick.ntp.nts import NtsDrop
from chronotick.ntp.selection import Reason

Answer: TypeAlias = Sequence[Mapping[str, Any]]

MOST_SOURCES: Final = 64
"""That have series of their own, the believed ones first; all are counted by reason."""

_BELIEVED: Final = frozenset({Reason.BEST.value, Reason.USED.value})
SLUGS: Final = {reason.value: reason.name.lower().replace("_", "-") for reason in Reason}
"""Reasons as values of a label, by their letters."""

_POLLS: Final = 8  # that reach remembers


def _told(answer: Answer) -> Answer:
    return sorted(answer, key=lambda source: source["reason"] not in _BELIEVED)[:MOST_SOURCES]


def _each(read: Callable[[Mapping[str, Any]], float | None]) -> Callable[[Answer], Told]:
    return lambda answer: {(source["id"],): read(source) for source in _told(answer)}


def _counts(answer: Answer) -> Mapping[Labels, float]:
    counts = Counter(source["reason"] for source in answer)
    return {(slug,): counts[letter] for letter, slug in SLUGS.items()}


def _reasons(answer: Answer) -> Mapping[Labels, float]:
    return {(source["id"], SLUGS[source["reason"]]): 1 for source in _told(answer)}


def _drops(answer: Answer) -> Mapping[Labels, float]:
    return {
        (source["id"], drop.value): source["drops"].get(drop.value, 0)
        for source in _told(answer)
        for drop in (*Drop, *NtsDrop)
    }


def _ahead_of(source: Mapping[str, Any]) -> float | None:
    offset_s = source["system_offset_s"]  # of the source from the system clock
    return None if offset_s is None else -offset_s


def _reached(source: Mapping[str, Any]) -> float:
    return int(source["reach"], 8).bit_count() / _POLLS


METRICS: tuple[Metric, ...] = (
    gauge("chronotick_sources", "Time servers, by why they are used or not.", _counts, "reason"),
    gauge(
        "chronotick_sources_believed",
        "Time servers that are used.",
        lambda answer: sum(source["reason"] in _BELIEVED for source in answer),
    ),
    gauge(
        "chronotick_source_selected",
        "1: the server is used; 0: it is not.",
        _each(lambda source: source["reason"] in _BELIEVED),
        "source",
    ),
    gauge(
        "chronotick_source_reason",
        "1, with the reason why the server is used or not.",
        _reasons,
        *("source", "reason"),
    ),
    gauge(
        "chronotick_source_offset_seconds",
        "How far the system clock is ahead of the server, by its best recent sample.",
        _each(_ahead_of),
        "source",
    ),
    gauge(
        "chronotick_source_delay_seconds",
        "Round trip of the server's best recent sample.",
        _each(lambda source: source["delay_s"]),
        "source",
    ),
    gauge(
        "chronotick_source_jitter_seconds",
        "Scatter of the server's recent samples.",
        _each(lambda source: source["jitter_s"]),
        "source",
    ),
    gauge(
        "chronotick_source_root_distance_seconds",
        "Hard bound of the error of the server's offset.",
        _each(lambda source: source["root_distance_s"]),
        "source",
    ),
    gauge(
        "chronotick_source_reach_ratio",
        "Share of the last eight polls that the server answered.",
        _each(_reached),
        "source",
    ),
    gauge(
        "chronotick_source_age_seconds",
        "Age of the server's last accepted reply.",
        _each(lambda source: source["age_s"]),
        "source",
    ),
    gauge(
        "chronotick_source_poll_seconds",
        "Present interval between polls of the server.",
        _each(lambda source: source["poll_s"]),
        "source",
    ),
    gauge(
        "chronotick_source_stratum",
        "Stratum in the server's last reply.",
        _each(lambda source: source["stratum"]),
        "source",
    ),
    counter(
        "chronotick_source_drops_total",
        "Replies and exchanges that gave no measurement, by reason.",
        _drops,
        *("source", "reason"),
    ),
)
