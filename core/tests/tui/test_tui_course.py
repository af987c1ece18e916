"""Courses: what is drawn of which samples."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from chronotick.tui.course import SPAN_S, Course, bars


def test_samples_stand_in_the_columns_of_their_time_and_gaps_stay_gaps():
    course = Course(interval_s=1.0)
    for at_s, value in ((1020.0, 1.0), (1079.0, 2.0), (1299.0, 3.0)):
        course.add(at_s, value)
    assert course.columns(1299.0, 10) == [1.0, 2.0, *[None] * 7, 3.0]


def test_of_several_samples_in_a_column_the_extreme_one_is_shown():
    course = Course(interval_s=1.0)
    for at_s, value in ((1200.0, -1.0), (1201.0, -7.0), (1202.0, 3.0)):
        course.add(at_s, value)
    assert course.columns(1210.0, 10)[-1] == -7.0


def test_a_sample_keeps_its_column_until_all_move():
    course = Course(interval_s=1.0)
    course.add(1205.0, 1.0)
    seen = [course.columns(now_s, 10).index(1.0) for now_s in (1205.0, 1229.9, 1230.0, 1499.9)]
    assert seen == [9, 9, 8, 0]
    assert set(course.columns(1500.0, 10)) == {None}


@given(st.integers(1, 300), st.floats(0.1, 3600.0), st.floats(0.0, 1.0))
def test_regular_samples_leave_no_gap_whatever_their_interval(columns, interval_s, phase):
    course = Course(interval_s)
    span_s = course.span_s(columns)
    assert span_s >= SPAN_S
    now_s = 1e6 + phase * interval_s
    for number in range(math.ceil(span_s / interval_s) + 1):
        course.add(now_s - number * interval_s, 1.0)
    assert None not in course.columns(now_s, columns)


def test_bars_reach_from_the_lowest_value_to_the_highest():
    assert bars([0.0, 7.0, None, 3.0], height=1) == ["▁█ ▄"]
    assert bars([-8.0, 7.0, None, -2.0], height=2) == [" █  ", "▁█ ▇"]


def test_values_that_are_the_same_stand_half_as_high():
    assert bars([5.0, 5.0], height=2) == ["  ", "██"]
    assert bars([5.0], height=1) == ["▄"]


@given(st.lists(st.none() | st.floats(-1e9, 1e9), max_size=50), st.integers(0, 6))
def test_bars_fill_their_room_and_show_every_value(values, height):
    lines = bars(values, height)
    assert [len(line) for line in lines] == [len(values)] * height
    if height:
        drawn = [column != " " for column in lines[-1]]
        assert drawn == [value is not None for value in values]
