"""The files and the figure of a study."""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from chronotick.lab.ordering import (
    BASELINES,
    Ranged,
    Settings,
    Study,
    order,
    simulated_nodes,
    straight_line,
)
from chronotick.lab.ordering.figures import figure, unknown_orders
from chronotick.lab.ordering.summary import decided, percent, sentences
from chronotick.lab.ordering.writing import EVENTS, FILES, PAGE, SCORES, SUMMARY, write_study

SETTINGS = Settings(events=400, waits=100, warm_up_s=300, bootstrap=50)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """So short that intervals of a confidence are not known yet."""
    nodes = simulated_nodes(3, tmp_path_factory.mktemp("nodes"), duration_s=900)
    return order(nodes, BASELINES, SETTINGS)


def test_all_files_are_written_and_read_again(study, tmp_path):
    out = tmp_path / "deep" / "out"
    write_study(study, out, command="chronotick lab order")
    assert sorted(each.name for each in out.iterdir()) == sorted(FILES)
    told = json.loads((out / SUMMARY).read_text())
    assert told["command"] == "chronotick lab order"
    assert told["settings"]["events"] == SETTINGS.events
    assert len(pd.read_parquet(out / EVENTS)) == 3 * SETTINGS.events
    assert list(pd.read_csv(out / SCORES)["level"][:4]) == list(study.levels)


def test_the_page_needs_no_network(study, tmp_path):
    write_study(study, tmp_path)
    page = (tmp_path / PAGE).read_text()
    body = page.partition("<body>")[2].partition("<script")[0]
    assert "src=" not in body
    assert '<script src="http' not in page
    assert "default-src &#x27;none&#x27;" in page


def test_the_page_says_what_was_asked_and_has_the_numbers_in_tables(study, tmp_path):
    """It was a figure of 500 pixels and no word."""
    write_study(study, tmp_path, command="chronotick lab order --simulate 3 <b>")
    page = (tmp_path / PAGE).read_text()
    assert "<h1>Order of events on 3 nodes</h1>" in page
    assert "400 pairs of events, 1.00 µs to 100 ms apart in true time, on 3 pairs of nodes" in page
    assert "All answers are unknown, and not shown any further, of raw (0.95" in page
    assert "--simulate 3 &lt;b&gt;</pre>" in page
    for title in ("Definite and false answers", "Unknown orders", "Commit-wait"):
        assert f"<h2>{title}</h2>" in page
    assert page.count("<table>") == 5
    wrong = next(each.wrong.value for each in study.points if each.method == "last")
    assert f"{percent(wrong)}\N{NO-BREAK SPACE}%" in page


def test_each_level_has_a_figure_of_unknown_orders(study, tmp_path):
    write_study(study, tmp_path)
    page = (tmp_path / PAGE).read_text()
    names = [f"unknown-{level.replace('.', '-')}" for level in study.levels]
    assert all(f'data-figure="{name}"' in page for name in names)
    assert re.findall(r'<option value="([^"]*)"', page) == ["0.999", "0.95", "0.99", "bound"]


def without_answers(study: Study, method: str) -> Study:
    return replace(
        study,
        intervals=tuple(
            replace(each, definite=Ranged(0.0)) if each.method == method else each
            for each in study.intervals
        ),
    )


def test_figures_leave_out_methods_without_any_answer_and_say_so(study):
    study = without_answers(study, "raw")
    spec = unknown_orders(study, "0.999")
    assert not spec["data"]
    assert "No method has a definite answer" in spec["layout"]["annotations"][0]["text"]
    spec = unknown_orders(study, "bound")
    assert [each["name"] for each in spec["data"]] == decided(study, "bound") != []
    assert "all answers are unknown: raw" in spec["layout"]["meta"]["note"]


def test_a_figure_has_a_panel_below_another_with_titles_on_all_axes(study):
    """Titles ran into each other, two axes had none, and times had two units."""
    drawn = figure(study, "bound")
    names = [trace.name for trace in drawn.data if trace.showlegend]
    assert names == decided(study, "bound")
    nominal = [shape.y0 for shape in drawn.layout.shapes]
    assert nominal == pytest.approx([0.05, 0.01, 0.001, 0.0])
    assert [shape.yref for shape in drawn.layout.shapes] == ["y2"] * 4
    for number in ("", "2", "3"):
        for axis in "xy":
            assert drawn.layout[f"{axis}axis{number}"].title.text
    ends = [drawn.layout[f"yaxis{number}"].domain for number in ("", "2", "3")]
    assert all(above[0] > below[1] for above, below in itertools.pairwise(ends))
    assert drawn.layout.xaxis.ticktext[:2] == ("1 µs", "10 µs")


def test_what_is_infinite_is_not_drawn(study):
    assert np.isinf(study.score("last", "0.95").wait_s[0].value)
    waits = next(t for t in figure(study).data if t.name == "last" and t.xaxis == "x3")
    values = np.asarray(waits.y, dtype=float)
    assert np.isnan(values[0])
    assert np.isfinite(values[-1])


def test_the_summary_tells_orders_unknown_ones_and_waits(tmp_path):
    nodes = simulated_nodes(3, tmp_path, duration_s=7200)
    settings = Settings(events=300, waits=100, warm_up_s=3600, bootstrap=20)
    study = order(nodes, {"line": straight_line, "kalman": straight_line}, settings)
    orders, unknown, waiting = sentences(study, lambda value_s: f"{value_s * 1e3:g} ms")
    score = study.score("kalman", "0.999")
    assert orders.startswith("At confidence 0.999, which allows 0.1% of all pairs to be answered")
    assert f"{percent(score.definite.value)}% with kalman (" in orders
    assert "line" not in orders  # the daemon's own are there
    assert unknown.startswith("Of events 1 ms to 3.2 ms apart, the order is unknown of ")
    assert f"{percent(score.unknown_by_separation[6].value)}% with kalman" in unknown
    assert f"{score.wait_s[0].value * 1e3:g} ms with kalman." in waiting


def test_more_false_orders_than_a_level_allows_are_told(study):
    score = study.score("last", "bound")
    worse = replace(score, false_orders=8, false_of_all=Ranged(0.02), definite=Ranged(0.5))
    intervals = [worse if each is score else each for each in study.intervals]
    alone = replace(study, intervals=tuple(intervals), stamped={"last": study.stamped["last"]})
    assert "50.0% with last (2.0% false, more than allowed)" in sentences(alone, str)[0]


def test_a_study_without_any_answer_says_so(study):
    silent = replace(without_answers(study, "raw"), stamped={"raw": study.stamped["raw"]})
    assert sentences(silent, str) == [
        "No method has a definite answer: none knows its error well enough."
    ]
