"""What stands in the tables: one row for each source and each model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.text import Text

from chronotick.client.amounts import seconds

SOURCE_COLUMNS = ("", "source", "st", "reach", "delay", "system is", "why")
MODEL_COLUMNS = ("model", "state", "weight", "latency", "why")

GOOD, BAD = "green", "red"
_USED = frozenset("*+")
_DISTRUSTED = frozenset("xmdSK?")
_FAILED = frozenset({"backoff", "broken"})

Row = tuple[str | Text, ...]


def source_row(source: Mapping[str, Any]) -> Row:
    """A time server: as ``chronotick sources`` shows it, shorter."""
    offset_s, letter = source.get("system_offset_s"), str(source.get("reason", ""))
    return (
        Text(letter, _colour(good=letter in _USED, bad=letter in _DISTRUSTED)),
        str(source.get("id", "-")),
        str(source.get("stratum") or "-"),
        str(source.get("reach", "-")),
        seconds(source.get("delay_s")),
        seconds(None if offset_s is None else -offset_s, signed=True),
        _why_source(source),
    )


def model_row(name: str, model: Mapping[str, Any]) -> Row:
    """A model: as ``chronotick models status`` shows it, shorter."""
    state, latency_ms = str(model.get("state", "-")), model.get("latency_median_ms")
    return (
        name,
        Text(state, _colour(good=state == "ready", bad=state in _FAILED)),
        f"{model.get('weight') or 0.0:.2f}",
        seconds(None if latency_ms is None else latency_ms * 1e-3),
        _why_model(model),
    )


def _colour(*, good: bool, bad: bool) -> str:
    return GOOD if good else BAD if bad else ""


def _why_source(source: Mapping[str, Any]) -> str:
    words, error = str(source.get("reason_words", "")), source.get("last_error")
    return f"{words}: {error}" if error and source.get("reach") == "0" else words


def _why_model(model: Mapping[str, Any]) -> str:
    why = model.get("reason")
    if model.get("state") != "ready":
        why = model.get("last_error") or model.get("detail") or why
    return str(why or "")
