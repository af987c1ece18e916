"""Closing gaps, without the model."""

from __future__ import annotations

import numpy as np

from chronotick_time_moe.gaps import Unbroken, unbroken

NAN = np.nan


def only(values: list[list[float]]) -> Unbroken:
    groups = list(unbroken(np.array(values)))
    assert len(groups) == 1
    return groups[0]


def test_series_without_gaps_stay_as_they_are():
    group = only([[1.0, 2.0, 4.0], [3.0, 1.0, 0.0]])
    np.testing.assert_array_equal(group.values, [[1.0, 2.0, 4.0], [3.0, 1.0, 0.0]])
    assert group.mask.all()
    assert group.lag == 0
    assert group.rows.tolist() == [0, 1]


def test_gaps_between_measurements_become_straight_lines():
    group = only([[0.0, NAN, NAN, 3.0, NAN, 1.0]])
    np.testing.assert_allclose(group.values, [[0.0, 1.0, 2.0, 3.0, 2.0, 1.0]])
    assert group.mask.all()


def test_gap_at_the_start_is_left_out():
    group = only([[NAN, NAN, 5.0, 6.0]])
    assert group.values.tolist() == [[5.0, 6.0]]
    assert group.mask.tolist() == [[True, True]]
    assert group.lag == 0


def test_gap_at_the_end_is_left_to_the_model():
    group = only([[5.0, 6.0, NAN, NAN, NAN]])
    assert group.values.tolist() == [[5.0, 6.0]]
    assert group.lag == 3


def test_shorter_series_of_a_group_are_padded_on_the_left():
    group = only([[NAN, NAN, 5.0, 6.0], [NAN, 2.0, NAN, 4.0]])
    assert group.values.tolist() == [[0.0, 5.0, 6.0], [2.0, 3.0, 4.0]]
    assert group.mask.tolist() == [[False, True, True], [True, True, True]]


def test_series_are_grouped_by_the_length_of_the_gap_at_their_end():
    values = np.array([[1.0, 2.0, NAN], [3.0, 4.0, 5.0], [NAN, 7.0, NAN]])
    groups = {group.lag: group for group in unbroken(values)}
    assert sorted(groups) == [0, 1]
    assert groups[0].rows.tolist() == [1]
    assert groups[1].rows.tolist() == [0, 2]
    assert groups[1].values.tolist() == [[1.0, 2.0], [0.0, 7.0]]


def test_one_measurement_is_a_series():
    group = only([[NAN, 7.0, NAN]])
    assert group.values.tolist() == [[7.0]]
    assert group.lag == 1


def test_every_measurement_of_random_series_is_where_it_was():
    values = np.random.default_rng(3).normal(size=(40, 30))
    values[np.random.default_rng(4).random(values.shape) < 0.7] = NAN
    values[:, 12] = 1.0
    seen = []
    for group in unbroken(values):
        end = values.shape[1] - group.lag
        there = values[group.rows, end - group.values.shape[1] : end]
        measured = np.isfinite(there)
        np.testing.assert_array_equal(group.values[measured], there[measured])
        assert group.mask[measured].all()
        assert np.isfinite(group.values).all()
        assert np.count_nonzero(measured) == np.count_nonzero(np.isfinite(values[group.rows]))
        seen += group.rows.tolist()
    assert sorted(seen) == list(range(40))
