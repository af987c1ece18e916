"""Leaderboards and pairs: ties, failures, hosts, leaks, and what is said under the table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import pytest

from chronotick.lab.scoring import ScoringError, leaderboard, pairwise


def scored(
    errors: Mapping[str, Sequence[float]], hosts: int = 25, metric: str = "mae"
) -> pd.DataFrame:
    """Scores of models on as many traces as there are errors; NaN is a failure."""
    table = pd.DataFrame(errors).rename_axis("number").reset_index()
    table = table.melt("number", var_name="model", value_name=metric)
    number = table.pop("number")
    return table.assign(
        trace="t" + number.astype(str).str.zfill(3),
        host="h" + (number % hosts).astype(str),
        horizon_s=64.0,
        windows=100,
        intervals=1.0,
        failed=table[metric].isna().astype(int),
        leaked=False,
    )


def random_errors(models: int, tasks: int, seed: int = 0) -> dict[str, np.ndarray]:
    values = np.exp(np.random.default_rng(seed).normal(size=(models, tasks)))
    return {f"m{number}": each for number, each in enumerate(values)}


def notes(table: pd.DataFrame) -> str:
    return "\n".join(table.attrs["notes"])


def test_by_hand():
    table = leaderboard(scored({"a": [1.0, 1.0], "b": [2.0, 0.5], "c": [4.0, 4.0]}), baseline="a")
    assert table["win_rate"].to_dict() == {"a": 0.75, "b": 0.75, "c": 0.0}
    assert table["skill_score"].to_dict() == pytest.approx({"a": 0.0, "b": 0.0, "c": -3.0})
    assert list(table["tasks"]) == [2, 2, 2]


def test_ties_count_half_in_both():
    both = scored({"a": [1.0, 1.0, 1.0, 1.0], "b": [1.0, 1.0, 1.0, 2.0]})
    assert leaderboard(both, baseline="a")["win_rate"].to_dict() == {"a": 0.625, "b": 0.375}
    pairs = pairwise(both)["win_rate"]
    assert pairs[("a", "b")] == 0.625
    assert pairs[("b", "a")] == 0.375
    assert pairs[("a", "a")] == 0.5


def test_equal_models_have_an_interval_without_width():
    table = leaderboard(scored({"a": [1.0] * 30, "b": [1.0] * 30}), baseline="a")
    assert (table[["win_rate", "win_rate_lower", "win_rate_upper"]] == 0.5).all(axis=None)
    for interval in ("percentile", "bca"):
        table = leaderboard(
            scored({"a": [1.0] * 30, "b": [1.0] * 30}), baseline="a", interval=interval
        )
        assert (table[["skill_score", "skill_score_lower", "skill_score_upper"]] == 0).all(
            axis=None
        )


def test_no_single_task_counts_more_than_a_hundredfold():
    table = leaderboard(scored({"a": [1.0], "b": [1e9], "c": [1e-9]}), baseline="a")
    assert table["skill_score"].to_dict() == pytest.approx({"a": 0.0, "b": -99.0, "c": 0.99})


def test_horizons_are_tasks_of_their_own():
    far = scored({"a": [1.0] * 3, "b": [0.5] * 3}).assign(horizon_s=1024.0)
    table = leaderboard(pd.concat([scored({"a": [1.0] * 3, "b": [2.0] * 3}), far]), baseline="a")
    assert table.loc["b", "skill_score"] == pytest.approx(0.0)
    assert list(table["tasks"]) == [6, 6]
    assert list(table["hosts"]) == [3, 3]


# Failures

PARTIAL = {"a": [1.0, 2.0, 1.0], "b": [0.5, np.nan, 0.5], "c": [2.0, 1.0, np.nan]}


def test_tasks_that_a_model_lacks_are_dropped_for_all_and_told():
    table = leaderboard(scored(PARTIAL), baseline="a")
    assert list(table["tasks"]) == [1, 1, 1]
    assert table["failed_tasks"].to_dict() == {"b": 1, "a": 0, "c": 1}
    assert "2 of 3 tasks are left out for all models. Failed there: b 1, c 1" in notes(table)
    assert table.loc["b", "skill_score"] == pytest.approx(0.5)
    assert "2 of 3 tasks are left out" in notes(pairwise(scored(PARTIAL)))


def test_a_row_that_is_not_there_is_a_failure():
    rows = scored(PARTIAL)
    rows = rows[rows["mae"].notna()]
    table = leaderboard(rows, baseline="a")
    assert table["failed_tasks"].to_dict() == {"b": 1, "a": 0, "c": 1}


def test_one_failed_window_makes_a_failed_task():
    rows = scored({"a": [1.0, 1.0], "b": [0.5, 0.5]})
    rows.loc[rows.index[-1], "failed"] = 1  # its error is of the other 99 windows
    assert leaderboard(rows, baseline="a")["failed_tasks"].to_dict() == {"b": 1, "a": 0}


def test_a_model_without_quantiles_yet_has_not_failed():
    """Of fewer than 20 residuals there are none: it was counted, and told, as a failure."""
    rows = scored({"a": [1.0, 2.0, 1.0], "drift": [np.nan, 1.0, 1.0]}, metric="ql")
    rows = rows.assign(failed=0)
    rows.loc[rows.index[-1], "failed"] = 3
    table = leaderboard(rows, "ql", baseline="a")
    assert table["failed_tasks"].to_dict() == {"a": 0, "drift": 1}
    assert list(table["tasks"]) == [1, 1]
    assert (
        "2 of 3 tasks are left out for all models. Failed there: drift 1. No score there (no "
        "quantiles yet, or no scale), which is no failure: drift 1"
    ) in notes(table)
    with pytest.raises(ScoringError, match=r"of 3 tasks, failed: drift 1; no score there \(no"):
        leaderboard(rows, "ql", baseline="a", missing="error")


def test_failures_are_an_error_if_so_asked():
    for compare in (leaderboard, pairwise):
        with pytest.raises(ScoringError, match="of 3 tasks, failed: b 1, c 1"):
            compare(scored(PARTIAL), baseline="a", missing="error")


def test_imputing_is_told():
    table = leaderboard(scored(PARTIAL), baseline="a", missing="impute")
    assert table["failed_tasks"].to_dict() == {"b": 1, "a": 0, "c": 1}
    assert "b failed in 1 of 3 tasks, and is given the error of a there" in notes(table)
    assert table.loc["b", "skill_score"] == pytest.approx(1 - 0.25 ** (1 / 3))
    pairs = pairwise(scored(PARTIAL), baseline="a", missing="impute")
    assert pairs.loc[("b", "a"), "win_rate"] == pytest.approx(2.5 / 3)
    assert "c failed in 1 of 3" in notes(pairs)


def test_imputing_needs_a_baseline_that_never_failed():
    with pytest.raises(ScoringError, match="name the baseline"):
        pairwise(scored(PARTIAL), missing="impute")
    for compare in (leaderboard, pairwise):
        with pytest.raises(ScoringError, match="from baseline b: it failed in 1 of 3 tasks itself"):
            compare(scored(PARTIAL), baseline="b", missing="impute")


def test_tasks_that_the_baseline_lacks_are_dropped_and_it_is_named():
    table = leaderboard(scored(PARTIAL), baseline="b")
    assert "Failed there: b 1, c 1" in notes(table)
    assert table.loc["b", "failed_tasks"] == 1


def test_a_model_that_always_failed_stands_last_and_costs_nobody_a_task():
    rows = scored({"a": [1.0, 2.0], "dead": [np.nan, np.nan], "b": [2.0, 2.0]})
    table = leaderboard(rows, baseline="a")
    assert list(table.index) == ["a", "b", "dead"]
    assert table.loc["dead", ["win_rate", "skill_score", "skill_score_upper"]].isna().all()
    assert table["tasks"].to_dict() == {"a": 2, "b": 2, "dead": 0}
    assert table["failed_tasks"].to_dict() == {"a": 0, "b": 0, "dead": 2}
    assert "dead has no task that can be compared" in notes(table)
    assert "dead" not in pairwise(rows).index.get_level_values(0)
    assert "dead has no task" in notes(pairwise(rows))


def test_no_task_in_common_is_an_error_that_says_who_failed():
    rows = scored({"a": [1.0, 1.0], "b": [np.nan, 1.0], "c": [1.0, np.nan]})
    for compare in (leaderboard, pairwise):
        with pytest.raises(
            ScoringError, match="no task is left to compare: of 2, failed: b 1, c 1"
        ):
            compare(rows, baseline="a")


def test_all_models_failed_is_an_error():
    rows = scored({"a": [np.nan, np.nan], "b": [np.nan, np.nan]})
    with pytest.raises(ScoringError, match="baseline a has no task without failures"):
        leaderboard(rows, baseline="a")
    with pytest.raises(ScoringError, match="no task is left to compare: of 2, failed: a 2, b 2"):
        pairwise(rows)


def test_one_model_alone_has_no_win_rate():
    table = leaderboard(scored({"a": [1.0, 2.0]}), baseline="a")
    assert np.isnan(table.loc["a", "win_rate"])
    assert table.loc["a", "skill_score"] == 0


# Constant traces


def test_errors_of_zero_are_equal_to_each_other_and_far_below_all_others():
    rows = scored({"a": [0.0, 1.0], "b": [0.0, 1.0], "c": [1e-9, 1.0]})
    table = leaderboard(rows, baseline="a")
    assert table["skill_score"].to_dict() == pytest.approx({"a": 0.0, "b": 0.0, "c": -9.0})
    assert "a has an error of 0 in 1 task (constant" in notes(table)
    pairs = pairwise(rows)["skill_score"]
    assert pairs[("a", "b")] == 0
    assert pairs[("c", "a")] == pytest.approx(-9.0)
    assert pairs[("a", "c")] == pytest.approx(0.9)


def test_an_undefined_scale_is_a_task_without_a_result():
    rows = scored({"a": [1.0, np.nan], "b": [0.5, np.nan]}, metric="mase_drift").assign(failed=0)
    table = leaderboard(rows, "mase_drift", baseline="a")
    assert list(table["tasks"]) == [1, 1]
    assert "1 of 2 tasks is left out for all models" in notes(table)


# Hosts


def test_hosts_are_drawn_with_all_their_tasks():
    errors = random_errors(3, 40)
    rows = scored(errors, hosts=8)
    doubled = pd.concat([rows, rows.assign(horizon_s=128.0)])
    columns = ["skill_score_lower", "skill_score_upper", "win_rate_lower", "win_rate_upper"]
    once = leaderboard(rows, baseline="m0")[columns]
    pd.testing.assert_frame_equal(leaderboard(doubled, baseline="m0")[columns], once)
    # As single tasks, the same forecasts asked twice would look like twice the evidence.
    by_task = [leaderboard(r, baseline="m0", cluster="task") for r in (rows, doubled)]
    widths = [(t["skill_score_upper"] - t["skill_score_lower"])["m1"] for t in by_task]
    assert widths[1] < 0.8 * widths[0]


def test_the_number_of_hosts_is_stated_and_few_are_warned_of():
    few = leaderboard(scored(random_errors(3, 40), hosts=10), baseline="m0")
    assert list(few["hosts"]) == [10] * 3
    assert "warning: 10 hosts only" in notes(few)
    assert "warning: 10 hosts only" in notes(pairwise(scored(random_errors(3, 40), hosts=10)))
    enough = leaderboard(scored(random_errors(3, 40), hosts=20), baseline="m0")
    assert notes(enough) == ""
    assert enough.attrs["cluster"] == "host"


def test_of_a_single_host_there_are_numbers_but_no_intervals():
    for compare in (leaderboard, pairwise):
        table = compare(scored(random_errors(3, 12), hosts=1), baseline="m0")
        assert table[["win_rate", "skill_score"]].notna().all(axis=None)
        bounds = [name for name in table if name.endswith(("_lower", "_upper"))]
        assert len(bounds) == 4
        assert table[bounds].isna().all(axis=None)
        assert "all is of one host: no interval can be given" in notes(table)


def test_tasks_of_the_same_host_resampled_alone_are_warned_of():
    table = leaderboard(scored(random_errors(3, 40), hosts=25), baseline="m0", cluster="task")
    assert "40 tasks of 25 hosts were resampled as if they had nothing in common" in notes(table)
    own = leaderboard(scored(random_errors(3, 40), hosts=40), baseline="m0", cluster="task")
    assert notes(own) == ""


def test_without_resamples_there_is_nothing_to_warn_of():
    table = leaderboard(scored(random_errors(3, 8)), baseline="m0", bootstrap=0)
    assert notes(table) == ""
    assert "win_rate_lower" not in table


def test_the_same_seed_gives_the_same_bounds():
    rows = scored(random_errors(4, 50))
    first, again, other = (leaderboard(rows, baseline="m0", seed=seed) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(first, again)
    assert (first["skill_score_lower"] != other["skill_score_lower"]).any()


def test_bca_bounds_lean_with_the_skew():
    rows = scored(random_errors(2, 40), hosts=40)
    plain, accelerated = (
        leaderboard(rows, baseline="m0", interval=interval).loc["m1"]
        for interval in ("percentile", "bca")
    )
    assert accelerated["skill_score"] == plain["skill_score"]
    assert accelerated["skill_score_lower"] != plain["skill_score_lower"]
    assert (
        accelerated["skill_score_lower"] < plain["skill_score"] < accelerated["skill_score_upper"]
    )


# Leaks


def test_leaks_are_flagged_and_counted():
    rows = scored({"a": [1.0, 2.0, 3.0], "b": [0.5, 1.0, 1.5]})
    table = leaderboard(rows, baseline="a", leaked={"b": {"t000", "t002"}, "gone": {"t000"}})
    assert table["leaked_tasks"].to_dict() == {"b": 2, "a": 0}
    assert "b was trained on data of 2 of 3 tasks: its errors there are no forecasts" in notes(
        table
    )
    assert table.loc["b", "skill_score"] == pytest.approx(0.5)  # flagged, not changed


def test_the_flags_of_the_scores_are_used():
    rows = scored({"a": [1.0, 2.0], "b": [0.5, 1.0]})
    rows["leaked"] = rows["model"] == "b"
    assert leaderboard(rows, baseline="a")["leaked_tasks"].to_dict() == {"b": 2, "a": 0}
    assert leaderboard(rows, baseline="a", leaked={})["leaked_tasks"].sum() == 0
    assert "b was trained on data of 2 of 2 tasks" in notes(pairwise(rows))


def test_a_stand_in_replaces_what_was_seen():
    rows = scored({"a": [1.0, 1.0], "b": [0.1, 0.1], "c": [0.5, 0.5]})
    options = {"leaked": {"b": {"t000"}}, "stand_in": "c"}
    table = leaderboard(rows, baseline="a", **options)
    assert table.loc["b", "skill_score"] == pytest.approx(1 - np.sqrt(0.05))
    assert "its errors there are replaced by those of c" in notes(table)
    assert pairwise(rows, **options).loc[("b", "c"), "win_rate"] == 0.75


def test_a_stand_in_must_have_seen_nothing():
    rows = scored({"a": [1.0, 1.0], "b": [0.1, 0.1]})
    with pytest.raises(ScoringError, match="b has seen traces itself"):
        leaderboard(rows, baseline="a", leaked={"b": {"t000"}}, stand_in="b")
    with pytest.raises(ScoringError, match=r"stand_in c has no scores\. There are: a, b"):
        pairwise(rows, stand_in="c")


# Bad input


@pytest.mark.parametrize("compare", [leaderboard, pairwise])
@pytest.mark.parametrize(
    ("change", "options", "words"),
    [
        ({}, {"metric": "coverage_95"}, "cannot compare by 'coverage_95': choose mae, rmse"),
        ({}, {"metric": "rmse"}, "the scores lack the columns rmse"),
        ({}, {"missing": "ignore"}, "missing is drop, error, impute, not 'ignore'"),
        ({}, {"cluster": "rack"}, "cluster is host or task, not 'rack'"),
        ({}, {"interval": "normal"}, "interval is percentile or bca, not 'normal'"),
        ({}, {"bootstrap": -1}, "-1 resamples: 0 for none"),
        ({}, {"baseline": "kalman"}, "baseline kalman has no scores. There are: a, b"),
        ({"mae": -1.0}, {}, "mae is below 0"),
        ({"host": None}, {}, "4 of 4 scores have no host"),
        ({"trace": "t"}, {}, "model a has two scores of trace t at 64 s"),
        ({"trace": "t", "horizon_s": [1.0, 2.0, 1.0, 2.0]}, {}, "trace t has scores of two hosts"),
    ],
)
def test_a_mistake_is_told(compare, change, options, words):
    rows = scored({"a": [1.0, 1.0], "b": [2.0, 2.0]}).assign(**change)
    with pytest.raises(ScoringError) as caught:
        compare(rows, **{"baseline": "a", **options})
    assert words in str(caught.value)


def test_no_scores_are_an_error():
    empty = scored({"a": [1.0]}).iloc[:0]
    for compare in (leaderboard, pairwise):
        with pytest.raises(ScoringError, match="there are no scores"):
            compare(empty, baseline="a")


def test_intervals_judged_by_unlike_windows_are_told():
    rows = scored({"a": [1.0, 1.0], "b": [2.0, 2.0]}, metric="ql")
    rows.loc[rows.index[0], "intervals"] = 0.8
    told = notes(leaderboard(rows, "ql", baseline="a"))
    assert "in 1 task ql of some models is of fewer windows than that of others" in told
    assert "fewer windows" not in notes(leaderboard(rows.assign(intervals=0.8), "ql", baseline="a"))
