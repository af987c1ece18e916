"""What may stand under ``clock_measurement.watchdog``."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from chronotick.config.schema import ClockMeasurement, WatchdogSection


def test_it_is_off_and_only_reports_unless_it_is_told_otherwise():
    assert (WatchdogSection().enabled, WatchdogSection().action) == (False, "report")


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"sample_size": 20, "pool_size": 10}, "sample_size (20) must not be above pool_size (10)"),
        ({"servers": ["chronyd"]}, "a chronyd has no opinion of its own"),
        ({"servers": []}, "at least 1"),
        ({"servers": ["a b"]}, "neither a host name nor an address"),
        ({"sample_size": 2}, "greater than or equal to 3"),
        (
            {"servers": ["time.example.org"]},
            "none of their names is a pool's: name more servers, name a pool, or set a smaller",
        ),
        ({"servers": ["192.0.2.1"] * 3, "sample_size": 3}, "above the number of servers (1)"),
        ({"interval_seconds": 63.9}, "(63.9) must not be below 64: these are other people's"),
        (
            {"servers": ["127.0.0.1", "::1", "192.0.2.1"], "sample_size": 3, "interval_seconds": 1},
            "other people's servers",
        ),
        ({"w": 0}, "greater than 0"),
        ({"panic_trigger": 0}, "greater than or equal to 1"),
        ({"action": "stop"}, "'report' or 'disrupt'"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_reason(keys: dict[str, object], told: str):
    with pytest.raises(ValidationError) as caught:
        ClockMeasurement.model_validate({"watchdog": keys})
    assert told in str(caught.value)


def test_servers_of_this_host_may_be_asked_at_any_pace():
    servers = ["127.0.0.1:12301", "127.0.0.1:12302", "[::1]:12303"]
    WatchdogSection(servers=servers, sample_size=3, interval_seconds=0.02)
