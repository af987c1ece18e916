"""What ``status`` shows of fusion and calibration."""

from __future__ import annotations

from typing import Any

from chronotick.cli.asking import _status_lines

ANSWER: dict[str, Any] = {
    "status": "synchronised",
    "status_since_s": 60.0,
    "reason": "warm-up over",
    "clock": {
        "bound_s": 1e-3,
        "sigma_s": 1e-5,
        "system_minus_utc_s": 1e-4,
        "frequency_ppm": 1.0,
        "measurements": 20,
        "last_measurement_age_s": 3.0,
        "coverage": 0.96,
        "coverage_by_horizon": [
            {"horizon_s": 16.0, "coverage": 0.99, "judgements": 50.0, "factor": 1.0},
            {"horizon_s": 64.0, "coverage": 0.951, "judgements": 40.0, "factor": 1.1},
            {"horizon_s": 1024.0, "coverage": 0.9, "judgements": 9.0, "factor": 1.4},
        ],
    },
    "sources_believed": ["a"],
    "weights": {"kalman": 1.0, "ttm": 0.0},
    "demoted": {
        "ttm": "demoted: rms 41 us against kalman's 12 us at 64 s in 120 forecasts",
    },
    "models": {"kalman": "ready", "ttm": "ready"},
    "publication": {"published": 1, "path": "record", "frequency_hz": 10, "missed": 0},
    "version": "1",
    "pid": 1,
    "daemon_memory_mb": 60.0,
    "daemon_uptime": 61.0,
    "problems": [],
}


def test_coverage_is_shown_by_horizon_from_a_minute_on():
    (line,) = (line for line in _status_lines(ANSWER) if line.startswith("coverage"))
    assert "96.0% of 95 % intervals; 95.1% (40 judged) " in line
    assert "99.0%" not in line


def test_a_coverage_of_few_judgements_is_not_told():
    (line,) = (line for line in _status_lines(ANSWER) if line.startswith("coverage"))
    assert "64 s ahead, too few (9 judged) " in line
    assert "90.0%" not in line


def test_a_demoted_model_is_shown_with_its_reason():
    why = "ttm: demoted: rms 41 us against kalman's 12 us at 64 s in 120 forecasts"
    assert f"weightless  {why}" in _status_lines(ANSWER)


def test_an_older_daemon_says_nothing_of_either():
    clock = {k: v for k, v in ANSWER["clock"].items() if k != "coverage_by_horizon"}
    older = {k: v for k, v in ANSWER.items() if k != "demoted"} | {"clock": clock}
    lines = _status_lines(older)
    assert "coverage    96.0% of 95 % intervals" in lines
    assert not any(line.startswith("weightless") for line in lines)
