"""What was, as views tell it."""

from __future__ import annotations

from pathlib import Path

import pytest

from chronotick.history import Reading, open_history
from chronotick.history.store import Score
from chronotick.ntp.measurement import Measurement, Stamps
from chronotick.views import HistoryUnreadableError, Past

EPOCH_NS = 1_800_000_000 * 10**9
S = 10**9
_OTHERS = {
    "status": "synchronised",
    "system_minus_utc_ns": 7,
    "bound_ns": 1000,
    "sigma_ns": 30,
    "frequency": 1e-5,
    "coverage": 0.9,
    "weights": {"kalman": 1.0},
}


@pytest.fixture
def past(tmp_path: Path) -> Past:
    """Two minutes of a clock that is 10 ppm slow, served every 10 s, measured in between."""
    path = tmp_path / "history.sqlite3"
    with open_history(path, 30).history as history:
        for raw_s in range(0, 121, 10):
            raw_ns = raw_s * S
            history.add_reading(
                Reading(
                    raw_ns=raw_ns,
                    unix_ns=EPOCH_NS + raw_ns + raw_s * 10_000,
                    **{**_OTHERS, "bound_ns": 1000 + raw_s},
                )
            )
        number = history.add_measurement(
            _measured(35 * S, EPOCH_NS + 35 * 10_000 + 42), selected=True
        )
        history.add_measurement(_measured(200 * S, EPOCH_NS), selected=False)
        forecast = history.add_forecast(
            unix_ns=EPOCH_NS + 20 * S,
            model="line",
            predictor="short_term",
            issued_raw_ns=20 * S,
            horizon_ns=15 * S,
            predicted_offset_ns=EPOCH_NS,
            sigma_s=None,
        )
        history.score_forecast(forecast, Score(error_s=4e-6, measurement_id=number, raw_ns=35 * S))
        history.add_transition(
            raw_ns=S, unix_ns=EPOCH_NS + S, before="unknown", after="warming-up", reason="first"
        )
        assert history.flush()
    return Past(path)


def _measured(raw_ns: int, offset_ns: int) -> Measurement:
    return Measurement(
        source="192.0.2.1:123",
        raw_ns=raw_ns,
        offset_ns=offset_ns,
        delay_ns=5000,
        precision_ns=30,
        root_delay_ns=400,
        root_dispersion_ns=900,
        stratum=2,
        leap=0,
        reference_id=1,
        stamps=Stamps.KERNEL_RX,
        authenticated=False,
    )


def test_every_field_of_a_stretch(past: Past):
    told = past.between(EPOCH_NS, EPOCH_NS + 1000 * S, past.fields)
    assert set(told) == {"clock", "weights", "measurements", "forecasts", "transitions"}
    assert len(told["clock"]) == len(told["weights"]) == 13
    assert told["clock"][0] == {
        "time_ns": EPOCH_NS,
        "status": "synchronised",
        "system_minus_time_ns": 7,
        "bound_ns": 1000,
        "sigma_ns": 30,
        "frequency_ppm": pytest.approx(10.0),
        "coverage": 0.9,
    }
    assert told["weights"][0] == {"time_ns": EPOCH_NS, "weights": {"kalman": 1.0}}
    assert told["forecasts"][0]["error_s"] == 4e-6
    assert told["forecasts"][0]["horizon_s"] == 15.0
    assert told["transitions"][0]["after"] == "warming-up"


def test_a_measurement_is_held_against_what_was_served_at_its_instant(past: Past):
    told = past.between(EPOCH_NS, EPOCH_NS + 1000 * S, ["measurements"])["measurements"]
    assert [row["error_ns"] for row in told] == [42, None]  # to the nanosecond; outside: unknown
    assert [row["selected"] for row in told] == [True, False]


def test_many_readings_are_thinned_to_those_with_the_widest_bounds(past: Past):
    told = past.between(EPOCH_NS, EPOCH_NS + 121 * S, ["clock"], points=3)["clock"]
    assert len(told) in {3, 4}
    assert told[-1]["bound_ns"] == 1120


def test_only_what_was_asked_for_and_nothing_unknown(past: Past):
    assert list(past.between(0, 1, ["clock"])) == ["clock"]
    with pytest.raises(KeyError, match="colour"):
        past.between(0, 1, ["colour"])


def test_no_history_is_a_clear_error(tmp_path: Path):
    with pytest.raises(HistoryUnreadableError, match="absent"):
        Past(tmp_path / "absent").between(0, 1, ["clock"])
    (tmp_path / "text").write_text("no database " * 100)
    with pytest.raises(HistoryUnreadableError, match="text"):
        Past(tmp_path / "text").between(0, 1, ["clock"])


def test_thinning_changes_no_error(past: Past):
    """Errors were drawn against thinned readings: up to many times the sigma over a month."""
    stretch = EPOCH_NS, EPOCH_NS + 10_000 * S
    told = past.between(*stretch, ["measurements", "clock"], points=1)
    assert len(told["clock"]) <= 2
    assert told["measurements"][0]["error_ns"] == 42


def test_no_line_is_drawn_where_readings_are_missing(past: Past, tmp_path: Path):
    with open_history(tmp_path / "history.sqlite3", 30).history as history:
        history.add_measurement(_measured(150 * S, EPOCH_NS), selected=True)
        later = {"raw_ns": 1000 * S, "unix_ns": EPOCH_NS + 1000 * S}
        history.add_reading(Reading(**later, **_OTHERS))
        assert history.flush()
    told = past.between(EPOCH_NS, EPOCH_NS + 2000 * S, ["measurements"])["measurements"]
    assert {row["time_ns"]: row["error_ns"] for row in told}[EPOCH_NS + 150 * S] is None


def test_of_many_rows_the_newest_are_told(past: Past, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("chronotick.views.past.MOST_ROWS", 1)
    told = past.between(EPOCH_NS, EPOCH_NS + 1000 * S, ["measurements"])["measurements"]
    assert [row["time_ns"] for row in told] == [EPOCH_NS + 200 * S]
