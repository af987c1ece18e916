"""Amounts and lengths of time in little room, as the monitor and the commands show them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.cli import output
from chronotick.client.amounts import duration, seconds


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.234e-4, "123 us"),
        (9.9949e-5, "99.9 us"),
        (-0.02287, "-22.9 ms"),
        (1234.5, "1234 s"),
        (4e-9, "4 ns"),
        (1e-10, "0 ns"),
        (0.0, "0 ns"),
        (None, "-"),
        (math.inf, "-"),
    ],
)
def test_a_time_is_told_in_the_unit_of_its_size(value, text):
    assert seconds(value) == text


def test_a_sign_and_a_fourth_digit_can_be_asked_for():
    assert seconds(0.0228712, signed=True, digits=4) == "+22.87 ms"


@pytest.mark.parametrize(
    ("value_s", "three", "four"),
    [
        (999.6e-6, "1 ms", "0.9996 ms"),
        (-999.6e-3, "-1 s", "-0.9996 s"),
        (999.4e-6, "999 us", "999.4 us"),
        (999.6e-9, "1 us", "0.9996 us"),
        (999.4e-9, "999 ns", "999 ns"),
        (12.3456e-3, "12.3 ms", "12.35 ms"),
        (999.5, "1000 s", "999.5 s"),
        (9999.6, "10000 s", "10000 s"),
        (123_456.0, "123456 s", "123456 s"),
        (-3e-10, "0 ns", "0 ns"),
    ],
)
def test_the_unit_is_that_of_the_rounded_figure(value_s: float, three: str, four: str):
    assert seconds(value_s) == three
    assert output.seconds(value_s) == four


@given(st.floats(-1e9, 1e9), st.integers(3, 6))
def test_no_figure_has_an_exponent_or_is_far_from_the_value(value_s: float, digits: int):
    shown, unit = seconds(value_s, digits=digits).split()
    assert "e" not in shown
    scale = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}[unit]
    assert float(shown) * scale == pytest.approx(value_s, rel=0.6e-2, abs=0.51e-9)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.4, "0 s"),
        (59.9, "59 s"),
        (60.0, "1 min"),
        (125.0, "2 min 5 s"),
        (3599.0, "59 min 59 s"),
        (3600.0, "1 h"),
        (3700.0, "1 h 1 min"),
        (86_399.0, "23 h 59 min"),
        (86_400.0, "1 d"),
        (200_000.0, "2 d 7 h"),
        (-1.0, "0 s"),
        (None, "-"),
        (math.nan, "-"),
    ],
)
def test_a_length_of_time_is_told_in_its_two_largest_units(value, text):
    assert duration(value) == text
