"""What everything else is measured by, computed by hand."""

from __future__ import annotations

from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest

from chronotick.config.schema import Config
from chronotick.lab.comparing import Origins, Preparation
from chronotick.lab.comparing.grids import Grid
from chronotick.lab.comparing.preparing import prepare
from chronotick.lab.comparing.windows import PER_HORIZON, Windows
from chronotick.lab.comparing.yardsticks import drift, kalman, naive, seasonal
from chronotick.lab.replaying import Excerpt, Replay
from chronotick.lab.replaying.estimate import Estimate
from chronotick.lab.scoring.columns import QUANTILES
from chronotick.lab.traces import Trace

S = 1_000_000_000
NAN = np.nan


def windows(*contexts: list[float], steps: tuple[int, ...], slope: float = 0.0) -> Windows:
    """Windows of a step of 10 s whose trend is 5 s + ``slope`` at the origin."""
    values = np.array(contexts, dtype=np.float32)
    count = len(values)
    table = {name: np.full((count, len(steps)), NAN) for name in PER_HORIZON}
    table["trend"] = np.tile([5.0, slope, 0.0, 0.0, 0.0, 0.0], (count, 1))
    table["last"] = np.array([each[~np.isnan(each)][-1] + 5.0 for each in values])
    return Windows(step_s=10.0, values=values, noise=np.ones_like(values), table=table)


def grid(*steps: int) -> Grid:
    return Grid(step_ns=10 * S, context=8, steps=steps)


def test_naive_repeats_the_last_value():
    made = windows([1.0, 2.0, NAN], [4.0, 5.0, 6.0], steps=(1, 3))
    found = naive(made, grid(1, 3), 1)
    assert found.mean.tolist() == [[7.0, 7.0], [11.0, 11.0]]
    assert np.isnan(found.quantiles).all()


def test_drift_goes_on_along_the_line_from_first_to_last():
    made = windows([NAN, 1.0, 9.0, 3.0, NAN], [0.0, 1.0, 2.0, 3.0, 4.0], steps=(1, 4))
    found = drift(made, grid(1, 4), 1)
    # From 6 to 8 in two steps; the newest is a step old: two steps to the first target.
    assert found.mean[0].tolist() == [10.0, 13.0]
    assert found.mean[1].tolist() == [10.0, 13.0]


def test_drift_puts_the_trend_back():
    flat = windows([0.0, 0.0, 0.0], steps=(2,), slope=0.5)
    assert drift(flat, grid(2), 1).mean.tolist() == [[5.0 + 0.5 * 20.0]]


def test_drift_of_one_value_is_flat_and_of_none_is_none():
    made = windows([NAN, NAN, 2.0], [1.0, 1.0, 1.0], steps=(1,))
    made.values[1] = NAN
    found = drift(made, grid(1), 1)
    assert found.mean[0, 0] == 7.0
    assert np.isnan(found.mean[1, 0])
    assert found.told(1, 0) == "too few measurements in the context"


def test_seasonal_repeats_the_season_before():
    values = [0.0, 1.0, 2.0, 10.0, 11.0, 12.0]
    found = seasonal(windows(values, steps=(1, 2, 3, 4, 6)), grid(1, 2, 3, 4, 6), 3)
    assert (found.mean[0] - 5.0).tolist() == [10.0, 11.0, 12.0, 10.0, 12.0]


def test_seasonal_takes_the_newest_value_where_that_of_the_season_is_missing():
    found = seasonal(windows([3.0, 4.0, NAN, 6.0], steps=(1, 2)), grid(1, 2), 2)
    assert (found.mean[0] - 5.0).tolist() == [4.0, 6.0]
    short = seasonal(windows([NAN, NAN, NAN, 6.0], steps=(1,)), grid(1), 4)
    assert np.isnan(short.mean).all()
    assert short.told(0, 0) == "too few measurements in the context"


def test_seasonal_knows_seasons_that_are_no_whole_steps():
    """Far horizons are reached in longer steps: a day is 9.14 steps of 2.625 hours."""
    values = [float(n) for n in range(40)]
    season = 24 / 2.625
    found = seasonal(windows(values, steps=(64,)), grid(64), season)
    # 168 h ahead is seven seasons: the newest sample is a whole number of them before.
    assert found.mean[0, 0] - 5.0 == 39.0
    found = seasonal(windows(values, steps=(5,)), grid(5), season)
    assert found.mean[0, 0] - 5.0 == 39.0 - round(season - 5)


def test_a_season_of_a_series_is_found_at_every_horizon(compare, series_of):
    """A perfect season is forecast perfectly, in whatever steps."""
    hours = np.arange(24 * 20)
    trace = series_of(np.sin(2 * np.pi * hours / 24), cadence_s=3600.0, season_s=86_400.0)
    horizons_s = (3600.0, 10 * 3600.0, 168 * 3600.0)
    found = compare("", trace, horizons_s=horizons_s, warm_up_s=10 * 86_400.0, context=128)
    rows = found.rows[found.rows["model"] == "seasonal"]
    assert set(rows["horizon_s"]) == set(horizons_s)
    assert (rows["forecast"] - rows["measured"]).abs().max() < 1e-3


def test_kalman_is_the_estimator_with_its_normal_interval():
    made = windows([1.0, 2.0], steps=(1, 2))
    made.table["mean"][:], made.table["sigma"][:] = [[7.0, 8.0]], [[1.0, 2.0]]
    found = kalman(made, grid(1, 2), 1)
    assert found.mean.tolist() == [[7.0, 8.0]]
    z = NormalDist().inv_cdf(0.975)
    assert found.quantiles[0, 1, QUANTILES.index(0.975)] == pytest.approx(8.0 + 2.0 * z)
    assert found.quantiles[0, 0, QUANTILES.index(0.5)] == 7.0


def published(trace: Trace, origin_s: float, horizons_s: tuple[float, ...]) -> list[Estimate]:
    """What the daemon says at targets if it hears nothing more after an origin."""
    assert trace.recording is not None
    recording, origin_ns = trace.recording, round(origin_s * S)
    end_ns = recording.local_ns(recording.arrivals[-1].raw_ns) + 1
    silent = {"short_term": {"enabled": False}, "long_term": {"enabled": False}}
    excerpt = Excerpt(
        every_ns=10 * S,
        until_ns=origin_ns + round(horizons_s[-1] * S),
        gaps=((origin_ns + 1, end_ns),),
    )
    with Replay(recording, Config.model_validate(silent), excerpt) as running:
        estimates = {each.local_ns: each for each in running}
    return [estimates[origin_ns + round(horizon_s * S)] for horizon_s in horizons_s]


@pytest.mark.parametrize("origin_s", [150.0, 3600.0])
def test_kalman_is_what_the_daemon_publishes(calm: Trace, tmp_path: Path, origin_s: float):
    """To the nanosecond: offset, uncertainty and bound, in the warm-up and long after it."""
    assert calm.recording is not None
    horizons_s = (60.0, 600.0)
    how = Preparation(horizons_s=horizons_s, context=16, origins=Origins(exactly_s=(origin_s,)))
    prepare(calm, how, tmp_path)
    theirs = published(calm, origin_s, horizons_s)
    for grid_, said in zip(how.grids(calm), theirs, strict=True):
        table = Windows.opened(tmp_path / how.key(calm, grid_), grid_.step_ns / S).table
        mean, sigma, low, high = (table[n][0, 0] for n in ("mean", "sigma", "low", "high"))
        assert mean == said.offset_ns / S
        assert sigma * S == pytest.approx(said.sigma_ns, abs=1.0)
        assert said.bound_ns is not None
        assert max(high - mean, mean - low) * S == pytest.approx(said.bound_ns, abs=3.0)
