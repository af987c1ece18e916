"""Series of any unit and cadence take the path of clocks, and come back as they were."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from chronotick.lab.comparing import Origins
from chronotick.lab.comparing.clockwise import SHARE_FOR_SCALE, USUAL_STEP_S, clockwise, gauge
from chronotick.lab.traces import Trace

MakeTrace = Callable[..., Trace]


def test_a_clock_is_its_recording(calm: Trace):
    assert clockwise(calm) is calm.recording
    assert (gauge(calm).unit_per_s, gauge(calm).zero) == (1.0, 0.0)


def test_the_usual_step_becomes_that_of_a_clock(series_of: MakeTrace):
    trace = series_of([5.0 + 3.0 * (-1) ** n for n in range(64)])
    found = gauge(trace)
    assert (found.unit_per_s, found.zero) == (6.0 / USUAL_STEP_S, 8.0)
    offsets = [each.measurement.offset_ns for each in clockwise(trace).arrivals]
    assert offsets[:4] == [0, -10_000, 0, -10_000]


def test_what_is_not_there_is_not_measured(series_of: MakeTrace, wave: np.ndarray):
    wave[[30, 31, 77]] = np.nan
    assert len(clockwise(series_of(wave)).arrivals) == len(wave) - 3


def test_a_series_that_begins_flat_has_a_scale(series_of: MakeTrace):
    """A plant that produces nothing until the sun rises: the first step is what is known of it."""
    values = np.r_[np.zeros(40), 7.0 * np.arange(1, 40)]
    trace = series_of(values)
    found = gauge(trace)
    assert found.unit_per_s == pytest.approx(7.0 / USUAL_STEP_S)
    assert found.known_ns == round(trace.time_s[40] * 1e9)


def test_nothing_later_than_the_first_values_decides_the_scale(
    series_of: MakeTrace, wave: np.ndarray
):
    before = gauge(series_of(wave, "before"))
    wave[SHARE_FOR_SCALE:] *= 1000
    assert gauge(series_of(wave, "after")) == before


def test_no_window_begins_before_the_scale_is_known(
    compare: Callable[..., object], series_of: MakeTrace, wave: np.ndarray
):
    trace = series_of(wave)
    rows = compare("", trace, warm_up_s=0.0, horizons_s=(60.0,)).rows
    assert rows["origin_s"].min() == trace.time_s[SHARE_FOR_SCALE - 1]
    assert Origins(warm_up_s=0.0).warm_up_s == 0.0


@pytest.mark.parametrize("cadence_s", [0.001, 604_800.0], ids=["a millisecond", "a week"])
def test_series_of_any_cadence_are_compared(
    compare: Callable[..., object], series_of: MakeTrace, wave: np.ndarray, cadence_s: float
):
    """What would be a wrong unit in a clock's table is none in a series."""
    trace = series_of(wave, cadence_s=cadence_s)
    found = compare("", trace, warm_up_s=40 * cadence_s, horizons_s=(cadence_s, 4 * cadence_s))
    assert not found.problems
    assert set(found.rows["horizon_s"]) == {cadence_s, 4 * cadence_s}
    assert (found.rows["status"] == "ok").all()
    assert found.rows["forecast"].between(0, 1000).all()
