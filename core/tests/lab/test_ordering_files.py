"""The files and the figure of a study."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from chronotick.lab.ordering import BASELINES, Settings, Study, order, simulated_nodes
from chronotick.lab.ordering.figures import figure
from chronotick.lab.ordering.writing import EVENTS, FIGURE, FILES, SCORES, SUMMARY, write_study

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
    page = (tmp_path / FIGURE).read_text()
    assert "src=" not in page.partition("<body>")[2].partition("<script")[0]
    assert '<script src="http' not in page
    assert "Plotly.newPlot" in page


def test_a_figure_has_a_curve_for_each_level_and_points_for_each_method(study):
    drawn = figure(study)
    names = [trace.name for trace in drawn.data]
    for method in study.methods:
        assert names.count(method) == 2
        assert [n for n in names if n.startswith(f"{method} ")] == [
            f"{method} {level}" for level in study.levels
        ]
    nominal = [shape.y0 for shape in drawn.layout.shapes]
    assert nominal == pytest.approx([0.05, 0.01, 0.001, 0.0])


def test_what_is_infinite_is_not_drawn(study):
    assert np.isinf(study.score("last", "0.95").wait_s[0].value)
    waits = next(t for t in figure(study).data if t.name == "last" and t.xaxis == "x3")
    assert np.isnan(waits.y[0])
    assert np.isfinite(waits.y[-1])
