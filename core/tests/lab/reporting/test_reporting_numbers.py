"""Numbers for people, and axes they can read."""

from __future__ import annotations

import math

import pytest

from chronotick.lab.reporting.plots.logarithmic import (
    horizon_axis,
    ratio_axis,
    skill_axis,
    unit_axis,
)
from chronotick.lab.reporting.quantities import (
    count,
    fraction,
    fractions,
    lead,
    often,
    quantity,
    share,
    shares,
    size,
)

UNKNOWN = "\N{EN DASH}"


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (12.345e-6, "s", "12.3 µs"),
        (-12.345e-6, "s", "-12.3 µs"),
        (0.9996e-6, "s", "1.00 µs"),  # rounds up into the next prefix
        (999.6e-6, "s", "1.00 ms"),
        (123.4e-3, "s", "123 ms"),
        (0.0, "s", "0 s"),
        (2e-12, "s", "0.00200 ns"),
        (3600.0, "s", "3600 s"),
        (12.0, "MW", "12.0 MW"),
        (12.0, "", "12.0"),
        (1.5e9, "MW", "1.50e+09 MW"),
        (math.nan, "s", UNKNOWN),
        (math.inf, "s", UNKNOWN),
    ],
)
def test_quantities_have_three_digits_and_a_unit(value: float, unit: str, expected: str):
    assert quantity(value, unit) == expected


@pytest.mark.parametrize(
    ("horizon_s", "expected"),
    [
        (64.0, "64 s"),
        (3600.0, "1 h"),
        (1024.0, "1024 s"),
        (999.999999999, "1000 s"),  # of a step that is no whole number of ns
        (86400.0, "1 d"),
        (5400.0, "5400 s"),
        (0.5, "0.5 s"),
    ],
)
def test_horizons_are_named_as_they_were_asked_for(horizon_s: float, expected: str):
    assert lead(horizon_s) == expected


def test_skill_is_a_fraction_as_on_the_terminal():
    assert fraction(-3.1312) == "-3.131"
    assert fractions(-15.38, -0.0416) == "-15.380 to -0.042"
    assert fraction(math.nan) == fractions(math.nan, 0.5) == UNKNOWN


def test_shares_sizes_and_counts():
    assert share(0.7134) == "71.3 %"
    assert share(math.nan) == UNKNOWN
    assert shares(0.601, 0.8) == "60.1 to 80.0 %"
    assert shares(math.nan, 0.8) == UNKNOWN
    assert size(8.2e8) == "782 MiB"
    assert size(0) == "0 B"
    assert count(17280) == "17\u202f280"
    assert often(1, "trace") == "1 trace"
    assert often(2, "trace") == "2 traces"


@pytest.mark.parametrize("span", [1.01, 1.5, 3.0, 40.0, 1e4, 1e12])
def test_logarithmic_axes_have_a_few_ticks_within_their_range(span: float):
    for axis in (unit_axis("", "s", [1e-6, 1e-6 * span]), ratio_axis("", [0.9, 0.9 * span])):
        low, high = axis["range"]
        ticks = axis["tickvals"]
        assert 1 <= len(ticks) <= 8
        assert all(low <= math.log10(tick) <= high for tick in ticks)
        assert len(ticks) == len(axis["ticktext"]) == len(set(axis["ticktext"]))


def test_the_axis_of_ratios_shows_where_one_is():
    axis = ratio_axis("", [1.3, 2.5])
    assert 1.0 in axis["tickvals"]


def test_skill_is_told_on_the_scale_of_relative_errors():
    axis = skill_axis("skill", [0.5, 2.0, 10.0])
    told = dict(zip(axis["tickvals"], axis["ticktext"], strict=True))
    assert told[1.0] == "0"
    assert told[0.5] == "0.5"
    assert told[2.0] == "-1"
    assert axis["range"][0] > axis["range"][1]  # better is right


def test_axes_of_nothing_are_axes():
    assert 1.0 in unit_axis("", "s", [math.nan, 0.0])["tickvals"]
    assert horizon_axis([64.0])["ticktext"] == ["64 s"]
