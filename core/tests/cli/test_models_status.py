"""``models status``, of a daemon that answers what the test says."""

from __future__ import annotations

from typing import Any

LOOP = {
    "effective_interval_s": 0.9382,
    "last_forecast_age_s": 0.9382,
    "deadline_misses": 12345,
}
READY = {
    "state": "ready",
    "weight": 0.35,
    "reason": "rms 6.7 us in 19 forecasts",
    "latency_median_ms": 938.2,
    "latency_p90_ms": 938.2,
    "loops": {"short_term": LOOP, "long_term": LOOP},
    "skill": [{"horizon_s": 4.0**n, "scores": 9, "rms_s": 1.2345e-4} for n in range(6)],
    "advice": ["too slow for its deadline: " + "set short_term.overrides.x.timeout_seconds " * 5],
}
DEAD = {
    "state": "building",
    "weight": 0.0,
    "reason": "no forecast",
    "last_error": "no weights",
    "skill": [],
}


def test_it_fits_a_hundred_columns(run, daemon: dict[str, Any]):
    daemon |= {"time-moe": READY, "chronos": DEAD}
    lines = run("models", "status").output.splitlines()
    assert max(map(len, lines)) <= 100
    assert lines[1].split("  ")[0] == "time-moe"


def test_it_says_why_how_wrong_and_what_would_help(run, daemon: dict[str, Any]):
    daemon |= {"time-moe": READY, "chronos": DEAD}
    prose = " ".join(run("models", "status").output.split())
    assert "time-moe: rms 6.7 us in 19 forecasts; rms error 123.5 us at 1 s, 123.5 us" in prose
    assert "time-moe: too slow for its deadline: set short_term" in prose
    assert prose.endswith("chronos: no weights")


def test_an_error_too_small_to_measure_is_not_shown_as_measured(run, daemon: dict[str, Any]):
    """It once said 0.22 us: a fifth of the estimator's, the least that is ever assumed."""
    rows = [
        {"horizon_s": 16.0, "scores": 9, "rms_s": 2.2e-7, "rms_told": False},
        {"horizon_s": 64.0, "scores": 9, "rms_s": 1e-5, "rms_told": True},
    ]
    daemon |= {"ttm": {**READY, "skill": rows}}
    prose = " ".join(run("models", "status").output.split())
    assert "rms error not told from zero at 16 s, 10 us at 64 s" in prose
    assert "0.22" not in prose
    assert "220" not in prose


def test_it_says_how_wide_intervals_are_and_where_they_come_from(run, daemon: dict[str, Any]):
    row = {"horizon_s": 64.0, "scores": 9, "rms_s": 1e-5, "half_80_s": 1.3e-5, "half_95_s": 2e-5}
    told = "its own scored residuals (it states none)"
    daemon |= {"ttm": {**READY, "skill": [row], "sigma_from": told}}
    prose = " ".join(run("models", "status").output.split())
    assert f"95 % within 20 us at 64 s, from {told}" in prose
