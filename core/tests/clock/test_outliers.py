from __future__ import annotations

import numpy as np

from chronotick.clock.outliers import INFLATE_TO, REACQUIRE_AFTER, Company, Outliers, inflated


def counted(surprises: list[float], outlying: list[bool]) -> list[bool]:
    outliers = Outliers(1)
    return [
        bool(outliers.count(np.array([surprise]), np.array([out]))[0])
        for surprise, out in zip(surprises, outlying, strict=True)
    ]


def test_enough_on_one_side_mean_a_change_and_counting_begins_anew():
    found = counted([1.0] * 8, [True] * 8)
    assert [n for n, enough in enumerate(found) if enough] == [REACQUIRE_AFTER - 1, 7]


def test_those_below_are_counted_as_those_above():
    found = counted([-1e-6] * 8, [True] * 8)
    assert [n for n, enough in enumerate(found) if enough] == [3, 7]


def test_on_both_sides_in_turn_they_are_noise():
    assert not any(counted([1e-3, -1e-3] * 8, [True] * 16))


def test_one_that_is_expected_ends_the_row():
    for side in (1.0, -1.0):
        assert not any(counted([side] * 8, [True, True, True, False] * 2))


def test_each_filter_counts_for_itself():
    outliers = Outliers(2)
    for _ in range(REACQUIRE_AFTER):
        enough = outliers.count(np.array([1.0, 1.0]), np.array([True, False]))
    assert enough.tolist() == [True, False]


def test_an_outlier_is_put_at_three_sigmas():
    total = inflated(np.array([9e-3, 1e-6]), np.array([1e-8, 1e-8]))
    assert total[0] == (9e-3 / INFLATE_TO) ** 2
    assert total[1] == 1e-8


SECOND = 1_000_000_000


def heard_regularly(**every_s: int) -> Company:
    """Sources that were measured so often, for half an hour."""
    company = Company()
    for second in range(1, 1801):
        for source, each_s in every_s.items():
            if second % each_s == 0:
                company.hear(source, second * SECOND, surprising=False)
    return company


def test_one_source_alone_convinces_nobody_while_others_are_heard():
    """A liar once was: what surprises is asked often, and the others seldom."""
    company = heard_regularly(liar=16, honest=512)
    for second in range(1816, 3000, 16):
        assert not company.hear("liar", second * SECOND, surprising=True)


def test_two_sources_convince():
    company = heard_regularly(a=16, b=64, c=512)
    assert not company.hear("a", 1801 * SECOND, surprising=True)
    assert company.hear("b", 1802 * SECOND, surprising=True)
    assert company.hear("b", 1803 * SECOND, surprising=True)


def test_one_that_is_expected_asks_for_company_anew():
    company = heard_regularly(a=16, b=64, c=512)
    company.hear("a", 1801 * SECOND, surprising=True)
    company.hear("b", 1802 * SECOND, surprising=True)
    company.hear("c", 1803 * SECOND, surprising=False)
    assert not company.hear("a", 1804 * SECOND, surprising=True)


def test_a_source_whose_company_is_gone_convinces_alone():
    assert heard_regularly(a=16).hear("a", 1801 * SECOND, surprising=True)
    company = heard_regularly(a=16, b=64)
    assert not company.hear("a", 1900 * SECOND, surprising=True)
    assert company.hear("a", 2000 * SECOND, surprising=True)
    dropped = heard_regularly(a=16, b=512)
    dropped.drop("b")
    assert dropped.hear("a", 1801 * SECOND, surprising=True)
