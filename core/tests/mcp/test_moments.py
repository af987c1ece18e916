from __future__ import annotations

import contextlib
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.mcp.moments import NOW, Moment, read_moment
from chronotick.views import iso8601

NOON_NS = 1_796_040_000_000_000_000  # 2026-11-30T12:00:00Z


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-30T12:00:00Z",
        "2026-11-30T12:00Z",
        "2026-11-30t12:00:00z",
        " 2026-11-30 12:00:00 +00:00 ",
        "2026-11-30T13:00:00+01:00",
        "2026-11-30T06:30:00.000-0530",
        "1796040000000000000",
    ],
)
def test_the_same_moment_in_many_words(text: str):
    assert read_moment(text) == Moment(NOON_NS, NOON_NS)


def test_fractions_are_exact_to_the_nanosecond():
    assert read_moment("2026-11-30T12:00:00.123456789Z") == Moment(
        NOON_NS + 123_456_789, NOON_NS + 123_456_789
    )
    assert read_moment("2026-11-30T12:00:00,5Z") == Moment(
        NOON_NS + 500_000_000, NOON_NS + 500_000_000
    )


def test_integers_are_nanoseconds():
    assert read_moment(NOON_NS) == Moment(NOON_NS, NOON_NS)


def test_now_is_left_to_the_clock():
    assert read_moment("Now") == NOW


def test_answers_of_other_tools_are_intervals():
    answer = {"time_ns": NOON_NS, "bound_ns": 30, "status": "synchronised"}
    assert read_moment(answer) == Moment(NOON_NS - 30, NOON_NS + 30)
    ends = {"earliest_ns": NOON_NS - 1, "latest_ns": str(NOON_NS + 2)}
    with pytest.raises(ValueError, match="latest_ns"):
        read_moment(ends)
    ends["latest_ns"] = NOON_NS + 2
    assert read_moment(answer | ends) == Moment(NOON_NS - 1, NOON_NS + 2)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("2026-11-30T12:00:00", "no offset"),
        ("2026-11-30", "no moment"),
        ("2026-02-30T12:00:00Z", "no moment"),
        ("2026-12-31T23:59:60Z", "no moment"),
        ("2026-11-30T12:00:00+25:00", "no moment"),
        ("2026-11-30T12:00.5Z", "no moment"),
        ("2026-11-30T12:00:00.1234567890Z", "no moment"),
        ("٢٠٢٦-11-30T12:00:00Z", "no moment"),  # digits that int() would take
        ("9999-12-31T23:59:59Z", "after 2116"),
        ("0001-01-01T00:00:00+23:59", "before 1823"),
        ("yesterday", "no moment"),
        ("", "no moment"),
        (1_796_040_000, "multiply it by 1000000000"),
        (1_796_040_000_000_000, "nanoseconds"),
        ("1796040000", "nanoseconds"),
        (10**19, "after 2116"),
        (1.79604e18, "no moment"),
        (True, "no moment"),
        (None, "no moment"),
        ([NOON_NS], "no moment"),
        ({}, "neither earliest_ns and latest_ns nor"),
        ({"time_ns": NOON_NS}, "neither"),
        ({"time_ns": NOON_NS, "bound_ns": -1}, "bound_ns -1"),
        ({"time_ns": NOON_NS, "bound_ns": True}, "bound_ns True"),
        ({"time_ns": NOON_NS, "bound_ns": 30, "reliable": False}, "reliable is False"),
        (
            {"earliest_ns": NOON_NS, "latest_ns": NOON_NS, "reliable": "false"},
            "reliable is 'false'",
        ),
        ({"time_ns": 1, "bound_ns": 1}, "time_ns: 1 is not a time of today"),
        ({"earliest_ns": NOON_NS, "latest_ns": NOON_NS - 1}, "is after"),
    ],
)
def test_what_is_no_moment_is_refused_and_said_why(value: object, said: str):
    with pytest.raises(ValueError, match=said):
        read_moment(value)


@pytest.mark.parametrize(
    "value",
    [
        [NOON_NS] * 100_000,
        "x" * 100_000,
        {"time_ns": NOON_NS, "bound_ns": [0] * 100_000},
        {"time_ns": "x" * 100_000, "bound_ns": 0},
        {"earliest_ns": NOON_NS, "latest_ns": [0] * 100_000},
        {"time_ns": NOON_NS, "bound_ns": 0, "reliable": "x" * 100_000},
    ],
    ids=range(6),
)
def test_little_of_what_was_sent_is_told_back(value: object):
    with pytest.raises(ValueError, match=r"\.\.\.") as caught:
        read_moment(value)
    assert len(str(caught.value)) < 200


@given(
    st.integers(min_value=10**17, max_value=1 << 62),
    st.integers(min_value=-14 * 60, max_value=14 * 60),
)
def test_every_offset_gives_back_the_moment(unix_ns: int, minutes: int):
    zone = timezone(timedelta(minutes=minutes))
    whole_s, ns = divmod(unix_ns, 10**9)
    at = datetime.fromtimestamp(whole_s, zone).isoformat()
    assert read_moment(f"{at[:19]}.{ns:09d}{at[19:]}") == read_moment(iso8601(unix_ns))
    assert read_moment(iso8601(unix_ns)) == Moment(unix_ns, unix_ns)


@given(st.text() | st.integers() | st.floats() | st.dictionaries(st.text(), st.integers()))
def test_nothing_else_than_value_error_comes_of_odd_input(value: object):
    with contextlib.suppress(ValueError):
        assert read_moment(value)
