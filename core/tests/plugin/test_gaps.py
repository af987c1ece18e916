from __future__ import annotations

import numpy as np
import pytest

from chronotick.plugin.gaps import by_end, lines, steps_after, unbroken

NAN = np.nan
PATCH = 4


def test_series_of_whole_patches_stay_as_they_are():
    values = np.arange(16.0).reshape(2, 8)
    (group,) = unbroken(values, PATCH)
    assert group.rows.tolist() == [0, 1]
    assert group.lag == 0
    np.testing.assert_array_equal(group.values, values)
    assert group.mask.all()


def test_gaps_become_straight_lines_and_are_masked():
    (group,) = unbroken(np.array([[1.0, NAN, NAN, 4.0]]), PATCH)
    np.testing.assert_allclose(group.values, [[1.0, 2.0, 3.0, 4.0]])
    assert group.mask.tolist() == [[True, False, False, True]]


@pytest.mark.parametrize("before", [[], [NAN], [NAN] * 9])
def test_before_the_first_measurement_is_one_patch_of_zeros_at_most(before: list[float]):
    (group,) = unbroken(np.array([[*before, 5.0, 6.0, 7.0, 8.0, 9.0]]), PATCH)
    np.testing.assert_array_equal(group.values, [[0.0, 0.0, 0.0, 5.0, 6.0, 7.0, 8.0, 9.0]])
    assert group.mask.tolist() == [[False] * 3 + [True] * 5]


def test_after_the_last_measurement_is_for_the_model_to_forecast():
    (group,) = unbroken(np.array([[1.0, 2.0, 3.0, 4.0, NAN, NAN]]), PATCH)
    np.testing.assert_array_equal(group.values, [[1.0, 2.0, 3.0, 4.0]])
    assert group.lag == 2


def test_one_measurement_is_enough():
    (group,) = unbroken(np.array([[NAN, 3.0, NAN]]), PATCH)
    np.testing.assert_array_equal(group.values, [[0.0, 0.0, 0.0, 3.0]])
    assert group.lag == 1


def test_models_that_read_single_steps_get_no_padding():
    (group,) = unbroken(np.array([[NAN, NAN, 5.0, NAN, 7.0, NAN]]))
    np.testing.assert_array_equal(group.values, [[5.0, 6.0, 7.0]])
    assert group.mask.tolist() == [[True, False, True]]
    assert group.lag == 1


def test_every_series_is_treated_as_if_it_were_alone():
    random = np.random.default_rng(0)
    values = np.where(random.random((40, 19)) < 0.6, NAN, random.normal(size=(40, 19)))
    values[:, 7] = 1.0
    seen = []
    for group in unbroken(values, PATCH):
        for row, line, mask in zip(group.rows, group.values, group.mask, strict=True):
            (alone,) = unbroken(values[[row]], PATCH)
            np.testing.assert_array_equal(alone.values[0], line)
            np.testing.assert_array_equal(alone.mask[0], mask)
            assert alone.lag == group.lag
            seen.append(int(row))
    assert sorted(seen) == list(range(40))


def test_lines_hold_the_last_value_and_leave_what_was_never_measured_at_zero():
    values = np.array([[NAN, 1.0, NAN, 3.0, NAN], [NAN] * 5])
    np.testing.assert_allclose(lines(values), [[0.0, 1.0, 2.0, 3.0, 3.0], [0.0] * 5])


def test_series_are_grouped_by_their_last_measurement():
    values = np.array([[1.0, NAN, NAN], [NAN, NAN, 2.0], [3.0, NAN, NAN]])
    assert [(end, rows.tolist()) for end, rows in by_end(values)] == [(0, [0, 2]), (2, [1])]


def test_lag_counts_towards_the_longest_horizon():
    assert steps_after(np.array([0]), 4, 6, 10) == 10
    with pytest.raises(ValueError, match=r"series \[1, 3\] end 5 steps .* 11 .* at most 10 can be"):
        steps_after(np.array([1, 3]), 5, 6, 10)
