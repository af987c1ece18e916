from __future__ import annotations

import json
import logging
import math

import pytest

from chronotick.fusion import BASELINE, HORIZONS_S, Skill

OWN_S = 10e-6  # rms error of the estimator in these tests
AT_64 = HORIZONS_S.index(64.0)


def test_a_model_is_unproven_until_it_has_enough_scores(skill, teach, errors_of):
    teach(skill, {"m": errors_of(1e-5)}, count=3)
    assert skill.evidence("m", AT_64) is None
    assert skill.ratio("m", 64.0) is None
    assert skill.scores("m", 64.0) == 3
    teach(skill, {"m": errors_of(1e-5)}, count=1, begin_s=300)
    assert skill.evidence("m", AT_64) is not None
    assert skill.evidence("never heard of", AT_64) is None


@pytest.mark.parametrize("noise_s", [1e-6, 10e-6, 30e-6])
def test_errors_are_measured_through_the_noise_of_the_judges(skill, teach, errors_of, noise_s):
    teach(skill, {"m": errors_of(30e-6)}, count=2000, horizons=(64.0,), noise_s=noise_s)
    assert skill.rms_s(BASELINE, AT_64) == pytest.approx(OWN_S, rel=0.25)
    assert skill.rms_s("m", AT_64) == pytest.approx(30e-6, rel=0.2)


def test_an_estimator_that_states_too_little_is_found_out(teach, errors_of):
    skill = Skill(4)
    for n in range(400):
        judged = skill.judge(n * 64 * 10**9, 64.0, (-1) ** n * OWN_S, 1e-14, (OWN_S / 5) ** 2)
        skill.take(judged, {})
    assert skill.rms_s(BASELINE, AT_64) == pytest.approx(OWN_S, rel=0.1)


def test_a_start_that_knew_nothing_is_soon_outweighed(teach, errors_of):
    """The first states of a clock are wrong by milliseconds; their mean once stood for hours."""
    skill = Skill(4)
    for n in range(200):
        own = 30e-3 if n < 10 else OWN_S
        judged = skill.judge(n * 64 * 10**9, 64.0, (-1) ** n * own, 1e-14, own**2)
        skill.take(judged, {})
    assert skill.rms_s(BASELINE, AT_64) == pytest.approx(OWN_S, rel=0.1)


def test_proof_at_one_horizon_says_nothing_about_a_longer_one(skill, teach, errors_of):
    teach(skill, {"m": errors_of(5e-6)}, horizons=(16.0,))
    assert skill.ratio("m", 16.0) is not None
    assert skill.ratio("m", 200.0) is None


def test_between_two_horizons_the_ratio_is_interpolated(skill, teach, errors_of):
    teach(skill, {"m": errors_of(30e-6)}, count=300)
    at_16, between, at_64 = (skill.ratio("m", h) for h in (16.0, 32.0, 64.0))
    assert between == pytest.approx((at_16 + at_64) / 2)


def test_better_is_believed_only_as_far_as_it_is_sure(skill, teach, errors_of):
    teach(skill, {"m": errors_of(1e-6)}, count=20, horizons=(64.0,))
    early = skill.ratio("m", 64.0)
    teach(skill, {"m": errors_of(1e-6)}, count=300, horizons=(64.0,), begin_s=1300)
    assert 0.03 < skill.ratio("m", 64.0) < early < 1.0


def test_a_model_that_is_clearly_worse_everywhere_is_demoted_once_and_says_why(
    skill, teach, errors_of, caplog
):
    with caplog.at_level(logging.INFO, "chronotick.fusion"):
        teach(skill, {"bad": errors_of(40e-6), "good": errors_of(5e-6)}, count=200)
    assert set(skill.demoted) == {"bad"}
    assert skill.is_demoted("bad")
    why = skill.demoted["bad"]
    assert why.startswith("demoted: rms ")
    assert "us against kalman's " in why
    assert why.endswith(" forecasts")
    assert [r.getMessage().split(":")[0] for r in caplog.records] == ["bad is demoted"]


def test_worse_at_one_horizon_only_is_no_reason_to_demote(skill, teach, errors_of):
    for n in range(20):
        at = teach(skill, {"m": errors_of(40e-6, n)}, count=10, horizons=(4.0,), begin_s=n * 1300.0)
        teach(skill, {"m": errors_of(5e-6, n)}, count=10, horizons=(64.0,), begin_s=at)
    assert skill.clearly_worse("m", HORIZONS_S.index(4.0))
    assert not skill.is_demoted("m")


def test_a_demoted_model_comes_back_when_it_has_proven_itself_again(
    skill, teach, errors_of, caplog
):
    end = teach(skill, {"m": errors_of(100e-6)}, count=200)
    assert skill.is_demoted("m")
    caplog.clear()
    with caplog.at_level(logging.INFO, "chronotick.fusion"):
        teach(skill, {"m": errors_of(3e-6)}, count=60, begin_s=end)
    assert not skill.is_demoted("m")
    assert [r.getMessage().split(":")[0] for r in caplog.records] == ["m has proven itself again"]


def test_point_models_get_quantiles_from_their_own_residuals(skill, teach, errors_of):
    teach(skill, {"m": errors_of(20e-6)}, count=600)
    rows = skill.residuals("m")
    assert [row.horizon_s for row in rows] == [1.0, 4.0, 16.0, 64.0]
    last = rows[-1]
    assert last.half_80_s == pytest.approx(1.2816 * 20e-6, rel=0.25)
    assert last.half_95_s == pytest.approx(1.96 * 20e-6, rel=0.25)


def test_quantiles_grow_with_the_horizon(skill, teach, errors_of):
    teach(skill, {"m": errors_of(40e-6)}, count=100, horizons=(1.0,))
    teach(skill, {"m": errors_of(10e-6)}, count=100, horizons=(4.0, 16.0), begin_s=1e4)
    halves = [row.half_95_s for row in skill.residuals("m")]
    assert halves == sorted(halves)


def test_heavy_tails_show_in_the_quantiles_and_not_in_the_middle(skill, teach):
    number = iter(range(10**6))

    def error(own: float) -> float:
        return 200e-6 if next(number) % 13 == 0 else 5e-6

    teach(skill, {"m": error}, count=900)
    row = skill.residuals("m")[-1]
    assert row.half_95_s > 3 * row.half_80_s


def test_two_copies_are_alike_and_independent_models_are_not(skill, teach, errors_of):
    one = errors_of(5e-6, 1)
    kept: list[float] = []

    def first(own: float) -> float:
        kept.append(one(own))
        return kept[-1]

    def second(own: float) -> float:
        return kept[-1]

    models = {"a": first, "b": second, "c": errors_of(60e-6, 2)}
    teach(skill, models, count=200)
    assert skill.alike(AT_64, "a", "b") == pytest.approx(1.0)
    assert skill.alike(AT_64, "b", "a") == pytest.approx(1.0)
    assert abs(skill.alike(AT_64, "a", "c")) < 0.5
    assert skill.alike(AT_64, "a", "unknown") == 0.0


def test_snapshot_restores_everything(teach, errors_of):
    skill, twin = Skill(4, experts=True), Skill(4, experts=True)
    teach(skill, {"bad": errors_of(60e-6), "good": errors_of(5e-6)}, count=120)
    twin.restore(json.loads(json.dumps(skill.snapshot())))
    assert twin.table() == skill.table()
    assert twin.demoted == skill.demoted
    assert skill.experts is not None
    assert twin.experts is not None
    assert twin.experts.weights(AT_64) == pytest.approx(skill.experts.weights(AT_64))
    for row in twin.table():
        assert math.isfinite(row["rms_s"])


def test_what_was_judged_before_a_restart_is_taken_to_be_until_that_is_known(teach, errors_of):
    skill, restored = Skill(4), Skill(4)
    teach(skill, {"m": errors_of(5e-6)}, horizons=(1.0, 64.0))
    restored.restore(json.loads(json.dumps(skill.snapshot())))
    horizons = [n for n in range(len(HORIZONS_S)) if restored.is_judged(n, 10**12)]
    assert [HORIZONS_S[n] for n in horizons] == [1.0, 64.0]
    teach(restored, {"m": errors_of(5e-6)}, horizons=(64.0,), count=100)  # 64 s each
    assert not restored.is_judged(HORIZONS_S.index(1.0), 6400 * 10**9)
    assert restored.is_judged(AT_64, 6400 * 10**9)


def test_what_is_learnt_at_one_horizon_changes_nothing_at_others(skill, teach, errors_of):
    before = [skill.version(n) for n in range(len(HORIZONS_S))]
    teach(skill, {"m": errors_of(5e-6)}, count=1, horizons=(64.0,))
    after = [skill.version(n) for n in range(len(HORIZONS_S))]
    assert [n for n, (a, b) in enumerate(zip(before, after, strict=True)) if a != b] == [AT_64]


def test_a_demotion_counts_at_all_horizons(skill, teach, errors_of):
    teach(skill, {"m": errors_of(50e-6)}, count=4, horizons=(16.0,))
    before = skill.version(AT_64)
    teach(skill, {"m": errors_of(50e-6)}, count=200, horizons=(16.0,), begin_s=256.0)
    assert skill.is_demoted("m")
    assert skill.version(AT_64) == before + 1


def test_a_demoted_model_that_has_changed_is_told_as_such_not_as_a_number(teach, errors_of):
    """Status once said ``rms nan us`` until the model had been judged anew."""
    skill = Skill(4)
    end = teach(skill, {"m": errors_of(100e-6)}, count=200, horizons=(64.0,))
    told = set()
    for n in range(60):
        end = teach(
            skill, {"m": errors_of(1e-6, n)}, count=1, horizons=(64.0,), begin_s=end, seed=n
        )
        told |= set(skill.demoted.values())
    assert "demoted: it has changed, and is not judged anew at 64 s yet" in told
    assert not any("nan" in each for each in told)


def test_scores_of_the_first_version_start_anew_with_a_message():
    with pytest.raises(ValueError, match="another version"):
        Skill(4).restore({"kalman@3": [8.0, 1.0, 1.0, 1.0]})


def test_no_snapshot_is_that_of_a_new_host():
    skill = Skill(4)
    skill.restore({})
    assert skill.table() == []


@pytest.mark.parametrize(
    "damage",
    [
        {"own": []},
        {"own": None},
        {"own": [[1.0, 1.0, 0.0, 1e300]] * len(HORIZONS_S)},
        {"own": [[1.0, 1e-300, 0.0, 1e300]] * len(HORIZONS_S)},
        {"evidence": {"m": {"99": [0.0]}}},
        {"evidence": {"m": {"3": ["x"]}}},
        {"evidence": {"m": {"3": [math.nan] * 21}}},
        {"evidence": [1]},
        {"shapes": {"m": {"3": [1.0]}}},
        {"alike": [["3", "a"]]},
        {"alike": [["3", "a", "b", math.inf, 1.0, 1.0]]},
        {"demoted": {"m": "x"}},
        {"demoted": {"m": 99}},
        {"experts": [{"m": [1.0]}]},
        {"judged": [99]},
        {"judged": 3},
    ],
)
def test_a_damaged_snapshot_changes_nothing(teach, errors_of, damage):
    skill = Skill(4, experts=True)
    teach(skill, {"m": errors_of(5e-6)})
    before = skill.table()
    with pytest.raises(ValueError, match="damaged"):
        skill.restore({**skill.snapshot(), **damage})
    assert skill.table() == before
