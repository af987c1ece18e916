from __future__ import annotations

import numpy as np

from chronotick.clock.covariates import Covariates

SECOND = 1_000_000_000


def test_readings_are_averaged_over_the_steps_of_a_context():
    covariates = Covariates(keep=100)
    for second in range(6):
        covariates.record(second * SECOND, {"temperature_c": 40.0 + second})
    sampled = covariates.sampled(["temperature_c"], 5 * SECOND, 2 * SECOND, 4)
    np.testing.assert_array_equal(sampled["temperature_c"], [np.nan, 40.5, 42.5, 44.5])


def test_readings_outside_the_context_do_not_count():
    covariates = Covariates(keep=100)
    for second in (0, 50, 99, 120):
        covariates.record(second * SECOND, {"load": float(second)})
    sampled = covariates.sampled(["load"], 100 * SECOND, 10 * SECOND, 3)
    np.testing.assert_array_equal(sampled["load"], [np.nan, np.nan, 99.0])


def test_what_was_never_read_is_left_out():
    covariates = Covariates(keep=100)
    covariates.record(0, {"load": 0.5})
    assert covariates.names == ("load",)
    assert set(covariates.sampled(["load", "temperature_c"], 0, SECOND, 2)) == {"load"}


def test_a_star_stands_for_all_there_are():
    covariates = Covariates(keep=4)
    covariates.record(0, {"load": 0.5, "temperature_c": 40.0})
    assert set(covariates.sampled(["*"], 0, SECOND, 2)) == {"load", "temperature_c"}
    assert covariates.sampled([], 0, SECOND, 2) == {}


def test_only_so_many_readings_are_kept():
    covariates = Covariates(keep=3)
    for second in range(10):
        covariates.record(second * SECOND, {"load": float(second)})
    sampled = covariates.sampled(["load"], 9 * SECOND, SECOND, 5)
    np.testing.assert_array_equal(sampled["load"], [np.nan, np.nan, 7.0, 8.0, 9.0])


def test_every_reading_that_is_kept_counts():
    covariates = Covariates(4)
    for second in range(7):
        covariates.record(second * 10**9, {"t": float(second)})
    assert covariates.sampled(["t"], 6 * 10**9, 10**9, 4)["t"].tolist() == [3.0, 4.0, 5.0, 6.0]


def test_what_was_read_when_the_context_begins_is_not_in_it():
    covariates = Covariates(4)
    for second in (0, 5):
        covariates.record(second * 10**9, {"t": float(second)})
    sampled = covariates.sampled(["t"], 5 * 10**9, 10**9, 5)["t"]
    np.testing.assert_array_equal(sampled, [np.nan, np.nan, np.nan, np.nan, 5.0])
