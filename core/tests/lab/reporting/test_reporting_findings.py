"""What a report says of a comparison."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pandas as pd
import pytest

from chronotick.lab.reporting import Choices, ReportError
from chronotick.lab.reporting.dating import dated
from chronotick.lab.reporting.failing import in_short
from chronotick.lab.reporting.findings import find
from chronotick.lab.reporting.gallery import all_drawings
from chronotick.lab.reporting.headline import finding, title, warnings
from chronotick.lab.reporting.identity import left_out_table, models_table, other_problems
from chronotick.lab.reporting.page import page
from chronotick.lab.reporting.paper import paper
from chronotick.lab.reporting.ranking import alike, mean_ranks
from chronotick.lab.reporting.standings import board_table

QUICK = Choices(bootstrap=100, metrics=("mae",))


def some(comparison, **columns: list[str]):
    """The same comparison with some of its rows."""
    rows = comparison.rows
    for name, wanted in columns.items():
        rows = rows[rows[name].isin(wanted)]
    return dataclasses.replace(comparison, rows=rows.reset_index(drop=True))


def told(compared, choices=QUICK) -> str:
    found = find(compared, choices)
    return finding(found, next(iter(found.judgements.values())))


def test_the_finding_names_the_best_model_and_whether_it_is_shown_to_be_better(findings):
    text = finding(findings, findings.judgements["truth"])
    board = findings.judgements["truth"].standings["mae"].board
    assert text.startswith("Clock error against truth (MAE, 22 tasks of 6 hosts): chronos has")
    assert f"{board.loc['chronos', 'win_rate'] * 100:.1f} %" in text
    assert board.loc["chronos", "skill_score_lower"] < 0
    assert "includes 0: that it is better than kalman is not shown" in text


def test_skill_that_excludes_0_is_said_to(comparison):
    rows = comparison.rows.copy()
    best = rows["model"] == "chronos"
    rows.loc[best, "forecast"] = rows.loc[best, "truth"].fillna(rows.loc[best, "measured"]) + 1e-9
    text = told(dataclasses.replace(comparison, rows=rows))
    assert "excludes 0: it is better than kalman on such hosts" in text


def test_the_baseline_may_be_the_best(comparison):
    text = told(some(comparison, model=["kalman", "naive", "drift"]))
    assert "kalman has the highest win rate" in text
    assert "It is the baseline: no model is shown to be better than it" in text


def test_models_with_equal_win_rates_are_both_named(comparison):
    rows = comparison.rows[comparison.rows["model"] == "kalman"]
    both = pd.concat([rows, rows.assign(model="twin", job="twin")], ignore_index=True)
    assert ", and so has " in told(dataclasses.replace(comparison, rows=both))


def test_of_one_host_no_interval_is_given(comparison):
    text = told(some(comparison, host=["host-1"]))
    assert "of 1 host)" in text
    assert "no interval can be given" in text
    assert "cannot be told" in text


def test_few_hosts_silence_leaks_and_problems_are_warned_of(findings):
    words = " ".join(warnings(findings))
    assert "6 hosts only" in words
    assert "toto gave no forecast at all; the section on failures says why." in words
    assert "the worker ended" not in words  # once is enough
    assert "chronos was trained on 1 trace of this comparison (trace-3)" in words
    assert "2 problems; the section on failures says which." in words


def test_twenty_hosts_are_not_warned_of(make_comparison):
    many = make_comparison(windows=4, hosts=20, traces=22)
    assert "hosts only" not in " ".join(warnings(find(many, QUICK)))


@pytest.mark.parametrize(
    ("change", "words"),
    [({"interrupted": True}, "was interrupted"), ({"ended": ""}, "had not ended")],
)
def test_partial_results_are_said_to_be(comparison, change, words: str):
    partial = dataclasses.replace(comparison, runs=[comparison.runs[-1] | change])
    assert words in warnings(find(partial, QUICK))[0]


def a_run(hour: int, jobs: str, **more: object) -> dict:
    began, ended = (f"2026-11-20T{hour:02}:{minute}:00+00:00" for minute in ("00", "30"))
    about = {"jobs": [["line", job] for job in jobs], "problems": []}
    return {"started": began, "ended": ended} | about | more


LOST = [{"name": "", "path": "", "reason": "the job was lost"}]
TRACE = [{"name": "short", "path": "short.csv", "reason": "too short"}]


@pytest.mark.parametrize(
    ("runs", "words"),
    [
        ([], ""),
        ([a_run(8, "a")], "Started 08:00, ended 08:30."),
        ([a_run(8, "ab"), a_run(9, "a")], "Computed from 08:00 to 08:30. Run again at 09:00, when"),
        ([a_run(8, "a"), a_run(9, "ab")], "Computed from 08:00 to 09:30, in 2 runs."),
        ([a_run(8, "a"), a_run(9, "b")], "Started 09:00, ended 09:30."),
        ([a_run(8, "a", ended=""), a_run(9, "a")], "Computed from 08:00 to 09:30, in 2 runs."),
        ([a_run(8, "a", interrupted=True), a_run(9, "a", ended="")], "from 08:00 on, in 2 runs."),
        ([a_run(8, "a", problems=LOST), a_run(9, "a")], "from 08:00 to 09:30, in 2 runs."),
        ([a_run(8, "a"), a_run(9, "a", settings={"retry_failed": True})], "08:00 to 09:30, in 2"),
        ([a_run(8, "a", problems=TRACE), a_run(9, "a")], "to 08:30. Run again at 09:00, when all"),
    ],
)
def test_results_are_dated_by_when_they_were_computed(runs: list[dict], words: str):
    """They were dated by the newest run, which may have found everything done."""
    told = dated(runs).replace("2026-11-20 ", "").replace(":00 UTC", "")
    assert words in told
    assert bool(told) == bool(words)


def test_a_model_that_was_asked_on_some_traces_costs_others_no_task(comparison):
    """The seasonal yardstick is asked on series with a season only."""
    rows = comparison.rows
    kept = (rows["model"] != "drift") | (rows["trace"] == "trace-2")
    partial = dataclasses.replace(comparison, rows=rows[kept])
    standing = find(partial, QUICK).judgements["truth"].standings["mae"]
    assert "drift was asked on 4 of 24 tasks: it is not compared" in standing.notes
    assert standing.board.loc["kalman", "tasks"] == 22
    assert standing.board.index[-1] == "drift"
    assert np.isnan(standing.board.loc["drift", "win_rate"])
    assert "drift" not in standing.order


def test_without_truth_the_measured_series_is_what_counts(comparison):
    found = find(some(comparison, trace=["trace-6", "trace-7"]), QUICK)
    assert list(found.judgements) == ["measured"]


def test_a_metric_that_cannot_be_compared_is_told_with_its_reason(make_comparison):
    short = make_comparison(windows=10)  # too few for intervals of point models
    points = some(short, model=["naive", "drift", "kalman"])
    rows = points.rows.copy()
    rows.loc[:, [name for name in rows if name.startswith("q0")]] = np.nan
    found = find(dataclasses.replace(points, rows=rows), Choices(bootstrap=10))
    assert "sql_drift" in found.judgements["truth"].reasons
    assert "sql_drift" not in found.judgements["truth"].standings


@pytest.mark.parametrize(
    ("models", "words"),
    [(["naive"], "the baseline kalman is not among the models"), ([], "nothing to report")],
)
def test_what_cannot_be_reported_is_told(comparison, models: list[str], words: str):
    with pytest.raises(ReportError, match=words):
        find(some(comparison, model=models))


def test_forecasts_without_any_target_cannot_be_reported(comparison):
    rows = comparison.rows.assign(truth=np.nan, measured=np.nan)
    with pytest.raises(ReportError, match="no target was measured"):
        find(dataclasses.replace(comparison, rows=rows))


def test_the_leaderboard_has_what_a_model_costs(findings):
    judgement = findings.judgements["truth"]
    table = board_table(findings, judgement, judgement.standings["mae"])
    place = table.columns.index
    rows = {row[0].text: row for row in table.rows}
    assert len(rows) == 9
    chronos, toto, kalman = rows["chronos"], rows["toto"], rows["kalman"]
    assert chronos[place("leaks")].text == "3 tasks seen"
    assert kalman[place("leaks")].text == "none known"
    skill = judgement.standings["mae"].board["skill_score"]
    assert chronos[place("skill")].text == f"{skill['chronos']:.3f}"  # as on the terminal
    assert {"device", "weights"}.isdisjoint(table.columns)  # they made it too wide for a screen
    assert chronos[place("peak memory")].text == "782 MiB"
    assert chronos[place("deadline misses")].text == f"{findings.latency.missed['chronos']:g} of 96"
    assert toto[place("win rate")].text == "\N{EN DASH}"
    assert toto[place("failed windows")].text == "1\u202f440 of 1\u202f440"
    assert rows["timesfm"][place("failed tasks")].text == "2"
    assert "deadline 100 ms" in table.caption
    assert chronos[place("calls")].text == "96"  # of which p99 is about the maximum
    assert "of fewer than 100, p99 is about their maximum" in table.caption


def test_what_a_model_is_stands_in_the_table_of_models(comparison):
    path = "/home/someone/weights/checkpoints/" + "x" * 40
    models = comparison.models | {
        "ttm": comparison.models["ttm"] | {"weights": path},
        "toto": comparison.models["toto"] | {"weights": f"org/toto@{'a1' * 20}"},
    }
    table = models_table(find(dataclasses.replace(comparison, models=models), QUICK))
    place = table.columns.index("weights")
    cells = {row[0].text: row[place] for row in table.rows}
    assert (cells["ttm"].text, cells["ttm"].more) == ("x" * 40, path)
    assert cells["toto"].text == "toto@a1a1a1a1a1a1"
    assert cells["toto"].more == f"org/toto@{'a1' * 20}"
    assert cells["kalman"].text == "\N{EN DASH}"


@pytest.mark.parametrize(
    ("kinds", "words"),
    [
        ({"clock"}, "Comparison of clock models"),
        ({"series"}, "Comparison of models of series"),
        ({"clock", "series"}, "Comparison of models of clocks and series"),
    ],
)
def test_a_report_is_called_by_what_was_compared_on(comparison, findings, kinds, words: str):
    """One on power in W was a comparison of clock models."""
    traces = [each for each in comparison.traces if each["kind"] in kinds]
    of_kinds = dataclasses.replace(comparison, traces=traces)
    assert title(dataclasses.replace(findings, compared=of_kinds)) == words


def test_a_failure_is_not_told_again_as_a_problem(comparison):
    status = "the worker ended: environment not built. Run: chronotick envs sync toto"
    told = ["toto: " + status, "the executor lost a node"]
    problems = [*comparison.problems, *({"name": "", "path": "", "reason": r} for r in told)]
    found = find(dataclasses.replace(comparison, problems=problems), QUICK)
    table = left_out_table(found)
    assert table is not None
    assert [row[0].text for row in table.rows] == ["short", "<b>"]
    assert other_problems(found) == ["the executor lost a node"]
    assert "3 problems; the section" in " ".join(warnings(found))
    assert page(found).count(f">{status}<") == paper(found).count(status) == 1


def test_of_one_host_everything_says_that_there_is_no_interval(comparison):
    """A warning of rough intervals stood above a table that had none."""
    found = find(some(comparison, host=["host-1"]), QUICK)
    assert "1 host only: no interval can be given" in warnings(found)[0]
    assert "rough" not in " ".join(warnings(found))
    assert "In pairs" not in told(some(comparison, host=["host-1"]))
    standing = found.judgements["truth"].standings["mae"]
    assert standing.groups == []
    drawings = {each.name: each.spec["layout"]["meta"]["note"] for each in all_drawings(found)}
    for name in ("win-rate-truth-mae", "skill-truth-mae"):
        assert "intervals" not in drawings[name]
    assert "Of one host, no interval" in drawings["mean-ranks-truth-mae"]


def test_pairs_are_said_to_be_by_win_rate(comparison):
    """Skill that excludes 0 stood beside "in pairs it cannot be told apart"."""
    text = told(comparison)
    assert "By win rate in pairs, which is how often and not by how much" in text


def test_what_was_asked_for_is_shown_first(comparison):
    found = find(comparison, dataclasses.replace(QUICK, target="measured"))
    assert list(found.judgements) == ["measured", "truth"]
    offered = re.findall(r'<option value="(truth|measured)"', page(found))
    assert offered == ["measured", "truth"]
    series = some(comparison, trace=["trace-6", "trace-7"])
    with pytest.raises(ReportError, match="no trace knows the truth"):
        find(series, dataclasses.replace(QUICK, target="truth"))


def test_a_call_for_several_horizons_counts_once(findings):
    alone = sum(part.loc[part["model"] == "ttm", "alone_s"].notna().sum() for part in findings.rows)
    assert findings.latency.loc["ttm", "asked"] == alone / 4


def test_failures_are_all_counted_and_told_in_short(findings):
    failed = findings.failures
    assert failed["failed"].sum() == sum((each["status"] != "ok").sum() for each in findings.rows)
    short = in_short(failed, findings.counts.horizons)
    assert len(short) == 3
    first = short.iloc[0]
    assert (first["model"], first["trace"], first["horizon"]) == ("toto", "all", "all")
    assert first["failed"] == first["windows"] == 8 * 4 * 60
    assert short["failed"].sum() == failed["failed"].sum()


def test_ranks_are_of_tasks_that_all_models_have(findings):
    judgement = findings.judgements["truth"]
    standing = judgement.standings["mae"]
    ranks = standing.ranks
    assert ranks["rank"].sum() == pytest.approx(sum(range(1, 9)))
    assert (ranks["rank_lower"] <= ranks["rank"]).all()
    assert (ranks["rank"] <= ranks["rank_upper"]).all()
    again = mean_ranks(
        judgement.scores[judgement.scores["failed"] == 0], "mae", models=standing.order
    )
    assert again.equals(ranks)


def test_groups_hold_no_pair_that_is_decided(findings):
    for standing in findings.judgements["measured"].standings.values():
        order = [str(model) for model in standing.ranks.index]
        assert standing.groups == alike(order, standing.pairs)
        for group in standing.groups:
            for first in group:
                for second in group:
                    pair = standing.pairs.loc[(first, second)]
                    assert first == second or pair.win_rate_lower <= 0.5 <= pair.win_rate_upper


def test_a_forecast_that_is_no_number_is_a_failure_with_a_reason(comparison):
    rows = comparison.rows.copy()
    mute = (rows["model"] == "naive") & (rows["trace"] == "trace-4") & (rows["horizon_s"] == 64.0)
    rows.loc[mute, "forecast"] = np.nan
    found = find(dataclasses.replace(comparison, rows=rows), QUICK)
    failed = found.failures.set_index(["model", "trace", "horizon_s"])
    assert failed.loc[("naive", "trace-4", 64.0), "failed"] == 60
    assert "no number" in failed.loc[("naive", "trace-4", 64.0), "reason"]
    assert "naive" not in found.silent


def test_tasks_without_a_score_of_any_model_are_no_failures(comparison):
    """Errors cannot be scaled where the context is too short for a scale."""
    rows = comparison.rows.copy()
    rows.loc[rows["trace"] == "trace-4", "scale"] = np.nan
    found = find(dataclasses.replace(comparison, rows=rows), Choices(bootstrap=10))
    standing = found.judgements["truth"].standings["sql_drift"]
    assert standing.board.loc["kalman", "failed_tasks"] == 0
    assert standing.board.loc["kalman", "tasks"] == 20
    assert any(
        note.startswith("in 4 of 24 tasks there is no such score") for note in standing.notes
    )
