"""A model's answer as a path of the clock."""

from __future__ import annotations

import numpy as np
import pytest

from chronotick.clock import ClockState, ContextWindow
from chronotick.models import as_path
from chronotick.plugin.contract import Forecast

SECOND = 1_000_000_000
TREND = ClockState(
    raw_ns=100 * SECOND,
    offset_ns=5_000,
    frequency=0.0,
    var_offset=1e-12,
    cov=0.0,
    var_frequency=0.0,
    white_psd=0.0,
    wander_psd=0.0,
)
WINDOW = ContextWindow(
    trend=TREND,
    newest_raw_ns=96 * SECOND,
    step_ns=4 * SECOND,
    values=np.zeros(8),
    noise=np.ones(8),
)


@pytest.mark.parametrize(
    ("mean_s", "at_issue_ns"),
    [([3e-6, 3e-6, 3e-6], 3_000), ([3e-6, 5e-6, 9e-6], 1_000), ([3e-6], 3_000)],
)
def test_a_path_begins_on_the_models_own_line(mean_s: list[float], at_issue_ns: int):
    """It began on the trend: with forecasts anew every step, fused time was a saw-tooth."""
    path = as_path("line", "short_term", WINDOW, Forecast(mean=np.array([mean_s])), 0.0)
    assert path.offset_at(100 * SECOND) == 5_000 + at_issue_ns
    assert path.offset_at(104 * SECOND) == 5_000 + 3_000
    assert path.offset_at(102 * SECOND) == 5_000 + (at_issue_ns + 3_000) // 2


def test_an_answer_that_is_not_finite_is_no_path():
    with pytest.raises(ValueError, match="not finite"):
        as_path("line", "short_term", WINDOW, Forecast(mean=np.array([[np.nan, 1.0]])), 0.0)
