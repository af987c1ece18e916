"""Rows of the tables: what is told of a source and of a model."""

from __future__ import annotations

from chronotick.tui.rows import MODEL_COLUMNS, SOURCE_COLUMNS, model_row, source_row

SOURCE = {
    "reason": "*",
    "reason_words": "used, and the best",
    "id": "192.0.2.1:123",
    "stratum": 2,
    "reach": "377",
    "delay_s": 2.5e-4,
    "system_offset_s": 0.0123,
    "last_error": "an old one",
}


def words(row) -> list[str]:
    return [str(cell) for cell in row]


def test_a_source_is_told_as_the_command_tells_it():
    told = ["*", "192.0.2.1:123", "2", "377", "250 us", "-12.3 ms", "used, and the best"]
    assert words(source_row(SOURCE)) == told
    assert len(told) == len(SOURCE_COLUMNS)


def test_a_source_without_measurements_has_dashes_and_its_error():
    silent = {
        "reason": "?",
        "reason_words": "no valid reply",
        "reach": "0",
        "last_error": "timed out",
    }
    assert words(source_row(silent)) == [
        "?", "-", "-", "0", "-", "-", "no valid reply: timed out",
    ]  # fmt: skip


def test_letters_are_coloured_by_what_they_mean():
    colours = {letter: str(source_row({"reason": letter})[0].style) for letter in "*+~W.xmdSK?"}
    assert {letter for letter, style in colours.items() if style == "green"} == set("*+")
    assert {letter for letter, style in colours.items() if style == "red"} == set("xmdSK?")


def test_a_model_is_told_with_its_weight_and_why():
    ready = {"state": "ready", "weight": 0.25, "latency_median_ms": 3.25, "reason": "proven"}
    told = ["ttm", "ready", "0.25", "3.25 ms", "proven"]
    assert words(model_row("ttm", ready)) == told
    assert len(told) == len(MODEL_COLUMNS)


def test_a_model_that_does_not_work_says_why_instead():
    broken = {"state": "broken", "weight": 0.0, "reason": "no forecast yet", "last_error": "crash"}
    assert words(model_row("toto", broken)) == ["toto", "broken", "0.00", "-", "crash"]
    loading = {"state": "loading", "reason": "no forecast yet", "detail": "reading weights"}
    assert words(model_row("toto", loading))[-1] == "reading weights"
    assert words(model_row("toto", {}))[-1] == ""
