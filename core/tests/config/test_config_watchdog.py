"""What may stand under ``clock_measurement.watchdog``."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from chronotick.config.schema import ClockMeasurement, PoolWatchdog


def test_it_is_off_and_only_reports_unless_it_is_told_otherwise():
    assert (PoolWatchdog().enabled, PoolWatchdog().action) == (False, "report")


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"sample_size": 20, "pool_size": 10}, "sample_size (20) must not be above pool_size (10)"),
        ({"servers": ["chronyd"]}, "a chronyd has no opinion of its own"),
        ({"servers": []}, "at least 1"),
        ({"servers": ["a b"]}, "neither a host name nor an address"),
        ({"sample_size": 2}, "greater than or equal to 3"),
        ({"w": 0}, "greater than 0"),
        ({"panic_trigger": 0}, "greater than or equal to 1"),
        ({"action": "stop"}, "'report' or 'disrupt'"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_reason(keys: dict[str, object], told: str):
    with pytest.raises(ValidationError) as caught:
        ClockMeasurement.model_validate({"watchdog": keys})
    assert told in str(caught.value)
