from __future__ import annotations

import numpy as np

from chronotick.clock.outliers import INFLATE_TO, REACQUIRE_AFTER, Outliers, inflated


def counted(surprises: list[float], outlying: list[bool]) -> list[bool]:
    outliers = Outliers(1)
    return [
        bool(outliers.count(np.array([surprise]), np.array([out]))[0])
        for surprise, out in zip(surprises, outlying, strict=True)
    ]


def test_enough_on_one_side_mean_a_change_and_counting_begins_anew():
    found = counted([1.0] * 8, [True] * 8)
    assert [n for n, enough in enumerate(found) if enough] == [REACQUIRE_AFTER - 1, 7]


def test_on_both_sides_in_turn_they_are_noise():
    assert not any(counted([1.0, -1.0] * 8, [True] * 16))


def test_one_that_is_expected_ends_the_row():
    assert not any(counted([1.0] * 8, [True, True, True, False] * 2))


def test_each_filter_counts_for_itself():
    outliers = Outliers(2)
    for _ in range(REACQUIRE_AFTER):
        enough = outliers.count(np.array([1.0, 1.0]), np.array([True, False]))
    assert enough.tolist() == [True, False]


def test_an_outlier_is_put_at_three_sigmas():
    total = inflated(np.array([9e-3, 1e-6]), np.array([1e-8, 1e-8]))
    assert total[0] == (9e-3 / INFLATE_TO) ** 2
    assert total[1] == 1e-8
