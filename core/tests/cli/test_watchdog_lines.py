"""What ``status`` shows of the watchdog."""

from __future__ import annotations

from typing import Any

import pytest

from chronotick.cli.asking import _watched

TOLD: dict[str, Any] = {
    "verdict": "contradicts",
    "asked": 96,
    "answered": 90,
    "offset_s": -0.1083,
    "allowed_s": 0.064,
    "age_s": 30.0,
    "pool": 95,
}


ANSWERED = "answered 30 s ago, pool of 95"


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, f"contradicts: -108.3 ms from served time, 64 ms allowed, 90 of 96 {ANSWERED}"),
        ({"verdict": "silent", "offset_s": None, "answered": 3}, f"silent: 3 of 96 {ANSWERED}"),
        ({"verdict": None}, "has asked nobody yet, pool of 95"),
    ],
)
def test_the_line_tells_what_was_found_and_on_whose_word(changes: dict[str, Any], line: str):
    assert _watched({**TOLD, **changes}) == line
