from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.ntp.marzullo import Interval, contains, hull, intersect


@pytest.mark.parametrize(
    ("intervals", "shared"),
    [
        ([], []),
        ([(1, 5)], [(1, 5)]),
        ([(1, 5), (3, 9)], [(3, 5)]),
        ([(1, 5), (5, 9)], [(5, 5)]),
        ([(1, 5), (6, 9)], []),
        ([(1, 5), (2, 4), (8, 9)], [(2, 4)]),
        ([(1, 2), (1, 2), (8, 9), (8, 9)], []),
        ([(8, 12), (11, 13), (14, 15)], [(11, 12)]),
    ],
)
def test_more_than_half_must_share_it(intervals: list[Interval], shared: list[Interval]) -> None:
    assert intersect(intervals) == shared


def test_no_side_is_taken_between_stretches_of_the_same_right() -> None:
    assert intersect([(0, 10), (10, 20), (0, 20)]) == [(10, 10)]
    assert intersect([(0, 8), (12, 20), (0, 20)]) == [(0, 8), (12, 20)]


def test_a_stretch_at_the_edges_gives_way_to_one_in_the_middle() -> None:
    wide = [(-10, 10), (-9, 11)]
    assert intersect([*wide, (-2, 2), (9, 15)]) == [(-2, 2)]


def test_a_stretch_a_quarter_larger_is_not_clearly_so() -> None:
    narrow = [(0, 80), (200, 280)]
    assert intersect([*narrow, (30, 240)]) == [(30, 80), (200, 240)]
    assert intersect([*narrow, (29, 240)]) == [(29, 80)]
    assert intersect([*narrow, (40, 251)]) == [(200, 251)]


def test_how_large_a_stretch_is_counts_against_the_narrowest_interval_around_it() -> None:
    assert intersect([(0, 80), (200, 220), (20, 215)]) == [(20, 80), (200, 215)]


def test_an_interval_without_any_width_is_all_of_itself() -> None:
    assert intersect([(5, 5), (20, 28), (0, 24)]) == [(5, 5)]
    assert intersect([(5, 5), (20, 28), (0, 40)]) == [(5, 5), (20, 28)]


def test_the_largest_of_several_is_compared_with_the_next() -> None:
    narrow, wide = [(0, 80), (200, 280), (400, 480)], [(10, 440)] * 2
    assert intersect([*narrow, *wide]) == [(10, 80), (200, 280), (400, 440)]


@pytest.mark.parametrize(
    ("outer", "inner", "within"),
    [
        ((0, 9), (0, 9), True),
        ((0, 9), (3, 4), True),
        ((5, 9), (3, 7), False),
        ((5, 9), (6, 10), False),
        ((5, 9), (0, 20), False),
    ],
)
def test_an_interval_lies_within_another_with_both_ends(
    outer: Interval, inner: Interval, within: bool
) -> None:
    assert contains(outer, inner) is within


@given(st.integers(-1000, 1000), st.lists(st.integers(-1000, 1000), min_size=1, max_size=7))
def test_true_time_is_never_lost_while_every_source_is_honest(
    true_ns: int, errors: list[int]
) -> None:
    (shared,) = intersect([(true_ns + e - abs(e), true_ns + e + abs(e)) for e in errors])
    assert contains(shared, (true_ns, true_ns))


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)).map(sorted), max_size=7))
def test_each_stretch_is_shared_by_more_than_half(ends: list[list[int]]) -> None:
    intervals = [(low, high) for low, high in ends]
    for stretch in intersect(intervals):
        assert 2 * sum(contains(each, stretch) for each in intervals) > len(intervals)


@pytest.mark.parametrize(("at_least", "ends"), [(1, (0, 30)), (2, (4, 26)), (3, (5, 8)), (4, None)])
def test_hull_reaches_over_all_stretches_that_so_many_share(
    at_least: int, ends: Interval | None
) -> None:
    assert hull([(0, 10), (5, 9), (4, 8), (20, 30), (22, 26)], at_least) == ends


@given(
    st.integers(-100, 100),
    st.lists(st.tuples(st.integers(0, 100), st.integers(0, 100)), min_size=1, max_size=7),
    st.data(),
)
def test_no_minority_moves_the_hull_of_a_majority_off_the_truth(
    true_ns: int, honest: list[tuple[int, int]], data: st.DataObject
) -> None:
    ends = st.tuples(st.integers(-300, 300), st.integers(-300, 300)).map(sorted)
    lies = data.draw(st.lists(ends, max_size=len(honest) - 1))
    intervals = [(true_ns - below, true_ns + above) for below, above in honest]
    intervals += [(low, high) for low, high in lies]
    found = hull(intervals, len(intervals) // 2 + 1)
    assert found is not None
    assert contains(found, (true_ns, true_ns))
