from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from chronotick.fusion import HORIZONS_S, Judgement, Scorer
from chronotick.ntp.measurement import Measurement

SECOND = 1_000_000_000
BASE = 1_700_000_000 * SECOND


def measurement(raw_s: float, beyond_ns: int = 0) -> Measurement:
    return Measurement(
        source="a",
        raw_ns=round(raw_s * SECOND),
        offset_ns=BASE + beyond_ns,
        delay_ns=1000,
        precision_ns=0,
        root_delay_ns=0,
        root_dispersion_ns=0,
        stratum=1,
    )


@pytest.fixture
def close(state_at):
    def era(scorer: Scorer, raw_s: float) -> None:
        state = state_at(raw_s)
        scorer.close(state, {index: {} for index in scorer.due(state)}, 1.0)

    return era


def judge(scorer: Scorer, raw_s: float, beyond_ns: int = 0, bias_s: float = 0.0) -> list[Judgement]:
    return scorer.judge(measurement(raw_s, beyond_ns), 1e-12, bias_s)


def test_a_forecast_is_judged_by_later_measurements_only(path_of, close):
    scorer = Scorer()
    scorer.add(path_of("m", 1e-6))
    assert judge(scorer, 116, 5000) == []  # nothing has been closed yet
    close(scorer, 100)
    assert judge(scorer, 99) == []
    (found,) = judge(scorer, 116, 5000)
    assert HORIZONS_S[found.index] == 16.0
    assert found.residual_s == pytest.approx(5e-6)
    assert found.gaps == {"m": pytest.approx(1e-6)}
    (score,) = found.scores
    assert score.horizon_s == pytest.approx(16.0)
    assert score.error_s == pytest.approx(4e-6)


def test_what_is_expected_to_be_wrong_with_the_judge_is_not_held_against_the_forecast(
    path_of, close
):
    scorer = Scorer()
    scorer.add(path_of("m", 0.0))
    close(scorer, 100)
    (found,) = judge(scorer, 116, 5000, bias_s=5e-6)
    assert found.scores[0].error_s == pytest.approx(0.0, abs=1e-12)


def test_each_horizon_is_judged_once_by_the_era_nearest_to_it(path_of, close):
    scorer = Scorer()
    for begun in range(40, 116, 4):
        scorer.add(path_of("m", 0.0, raw_s=begun))
        close(scorer, begun)
    found = judge(scorer, 116)
    assert [HORIZONS_S[each.index] for each in found] == [4.0, 16.0, 64.0]
    assert [round(each.horizon_s) for each in found] == [4, 16, 60]


def test_the_estimator_is_judged_with_the_models_and_by_its_own_state(path_of, close):
    scorer = Scorer()
    scorer.add(path_of("kalman", 0.0))
    scorer.add(path_of("m", 2e-6))
    close(scorer, 100)
    (found,) = judge(scorer, 104, 3000)
    assert set(found.gaps) == {"m"}
    assert {score.path.model for score in found.scores} == {"kalman", "m"}


def test_a_model_asked_rarely_is_judged_by_its_newest_forecast_however_old(path_of, close):
    scorer = Scorer()
    scorer.add(path_of("m", 1e-6, raw_s=60.0))
    close(scorer, 100)
    (found,) = judge(scorer, 116)
    assert found.horizon_s == pytest.approx(16.0)
    assert found.scores[0].horizon_s == pytest.approx(56.0)


def test_a_path_that_ended_is_not_judged(path_of, close):
    scorer = Scorer()
    scorer.add(path_of("m", 0.0, steps=2))
    close(scorer, 100)
    (found,) = judge(scorer, 116)
    assert found.gaps == {}
    assert found.scores == ()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_forecast_that_is_not_finite_is_not_judged(path_of, close, value):
    scorer = Scorer()
    scorer.add(path_of("m", value))
    close(scorer, 100)
    (found,) = judge(scorer, 116)
    assert found.gaps == {}


def test_the_long_forecast_speaks_where_the_short_one_does_not_reach(path_of, close):
    scorer = Scorer()
    scorer.add(path_of("m", 1e-6, steps=16))
    scorer.add(replace(path_of("m", 9e-6, steps=64), predictor="long_term", step_ns=64 * SECOND))
    close(scorer, 100)
    near, far = judge(scorer, 116)[0], judge(scorer, 356)[0]
    assert near.gaps["m"] == pytest.approx(1e-6)
    assert far.gaps["m"] == pytest.approx(9e-6)


def test_forecasts_of_a_disrupted_clock_are_not_judged(path_of, close):
    scorer = Scorer()
    scorer.add(path_of("m", 0.0))
    close(scorer, 100)
    scorer.forget()
    assert judge(scorer, 116) == []


def test_forecasts_from_before_the_clock_changed_are_judged_as_outdated(path_of, close):
    scorer = Scorer()
    scorer.add(path_of("m", 1e-6))
    close(scorer, 100)
    scorer.outdate()
    close(scorer, 112)
    before, after = judge(scorer, 104), judge(scorer, 128)
    assert [found.era.outdated for found in before] == [True]
    assert before[0].gaps == {"m": pytest.approx(1e-6)}
    assert [found.era.outdated for found in after] == [False]
    assert after[0].gaps == {}


def test_constant_errors_of_routes_are_not_expected_to_show(state_at):
    scorer = Scorer()
    state = state_at(100.0, route_s=1e-3)
    scorer.close(state, {index: {} for index in scorer.due(state)}, 2.0)
    (found,) = judge(scorer, 104)
    assert found.expected == pytest.approx(4 * (state_at().variance_at(104 * SECOND)))


def test_few_eras_wait_however_often_is_measured(path_of, close):
    scorer = Scorer()
    for n in range(40_000):
        close(scorer, n * 0.5)
        judge(scorer, n * 0.5 + 0.25)
    assert sum(map(len, scorer._eras)) < 80
