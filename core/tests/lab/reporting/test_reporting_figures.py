"""Figures: what they show, in which colours, of how many points."""

from __future__ import annotations

import base64
import dataclasses
import json
from collections.abc import Iterator

import numpy as np
import pytest

from chronotick.lab import reporting
from chronotick.lab.reporting import Choices, ReportError
from chronotick.lab.reporting.examples import KINDS, Difficulty, example_traces, examples
from chronotick.lab.reporting.findings import find
from chronotick.lab.reporting.gallery import all_drawings
from chronotick.lab.reporting.plots.canvas import numbers
from chronotick.lab.reporting.thinning import Thinning

QUICK = Choices(bootstrap=50, metrics=("mae",))


def length(values) -> int:
    if isinstance(values, dict):
        return len(base64.b64decode(values["bdata"])) // 4
    return len(values)


def points(spec) -> Iterator[int]:
    for each in spec["data"]:
        yield length(each["x"])


@pytest.mark.parametrize("name", [name for name in reporting.__all__ if name.startswith("plot_")])
def test_notebooks_get_a_figure_that_plotly_accepts(comparison, name: str):
    figure = getattr(reporting, name)(comparison, choices=QUICK)
    assert figure.data
    assert figure.layout.title.text
    assert json.loads(figure.to_json())["data"]


def test_errors_can_be_drawn_as_they_are(comparison):
    figure = reporting.plot_error_by_horizon(comparison, relative=False, choices=QUICK)
    assert figure.layout.yaxis.ticktext[-1].endswith("s")
    assert len(figure.data) == 8


def test_every_figure_has_a_name_of_its_own_and_can_be_written_as_json(findings):
    drawings = list(all_drawings(findings, per_trace=True))
    assert len({drawing.name for drawing in drawings}) == len(drawings) > 100
    for drawing in drawings:
        assert all(letter.isalnum() or letter == "-" for letter in drawing.name)
        json.dumps(drawing.spec, allow_nan=False)


def test_a_model_has_one_colour_and_mark_in_all_figures(findings):
    seen: dict[str, set[tuple[str, str]]] = {}
    for drawing in all_drawings(findings):
        for each in drawing.spec["data"]:
            if "legendgroup" in each:
                mark = each["marker"]
                seen.setdefault(each["legendgroup"], set()).add((mark["color"], mark["symbol"]))
    assert len(seen) == 8  # all that gave a forecast
    assert all(len(styles) == 1 for styles in seen.values())


def test_pairs_mark_what_is_decided(findings):
    standing = findings.judgements["truth"].standings["mae"]
    heat = next(d for d in all_drawings(findings) if d.name == "pairwise-truth-mae").spec["data"][0]
    texts = np.array(heat["text"])
    first, last = standing.order[0], standing.order[-1]
    assert texts[0, -1] == f"{standing.pairs.loc[(first, last), 'win_rate'] * 100:.0f}*"
    assert set(np.diag(texts)) == {""}
    assert heat["z"][0][0] is None


def test_many_windows_are_thinned_to_means_over_equal_stretches_and_it_is_said(make_comparison):
    many = make_comparison(windows=3000, traces=3, hosts=2)
    figure = reporting.plot_error_over_time(
        many, trace="trace-1", horizon_s=64.0, target="measured", bins=50
    )
    assert all(len(each.x) <= 50 for each in figure.data)
    assert "mean of the absolute errors in one of 50 equal stretches" in figure.layout.meta["note"]
    assert "forecasts of a model" in figure.layout.title.subtitle.text


def thinned(rows, bins: int):
    thinning = Thinning("truth", bins)
    for step in (thinning.look, thinning.add):
        step(rows.iloc[:100])
        step(rows.iloc[100:])
    return thinning.thinned()


def test_thinning_keeps_the_mean_and_depends_on_nothing_but_the_rows(comparison):
    rows = comparison.rows
    rows = rows[(rows["trace"] == "trace-2") & (rows["horizon_s"] == 64.0)]
    few, all_ = (thinned(rows, bins).points for bins in (1, 1000))
    assert len(all_) > 400
    assert few.set_index("model")["error"].to_dict() == pytest.approx(
        all_.groupby("model")["error"].mean().to_dict()
    )
    shuffled = rows.sample(frac=1.0, random_state=1)
    assert thinned(shuffled, 7).points["time_s"].tolist() == pytest.approx(
        thinned(rows, 7).points["time_s"].tolist()
    )


def test_drawings_of_traces_have_no_more_points_than_wanted(comparison):
    choices = Choices(bootstrap=10, metrics=("mae",), points=60_000, traces=3)
    found = find(comparison, choices)
    drawn = [d for d in all_drawings(found, per_trace=True) if d.name.startswith("over-time")]
    assert len({drawing.when["trace"] for drawing in drawn}) == 3
    assert sum(sum(points(drawing.spec)) for drawing in drawn) <= 60_000


def difficulty_of(parts):
    found = Difficulty("truth", np.unique(np.concatenate([part["origin_s"] for part in parts])))
    for part in parts:
        found.add(part)
    return found.table()


def test_a_window_is_as_hard_as_the_median_model_and_horizon_found_it(comparison):
    rows = comparison.rows[comparison.rows["trace"] == "trace-2"]
    error = (rows["forecast"] - rows["truth"]).abs()
    relative = error / error.groupby([rows["model"], rows["horizon_s"]]).transform("mean")
    expected = relative.groupby(rows["origin_s"]).median().sort_values()
    found = difficulty_of([rows.iloc[::2], rows.iloc[1::2]])
    assert found.index.tolist() == expected.index.tolist()
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_examples_are_the_first_the_middle_and_the_last(findings):
    scores = findings.judgements["truth"].scores
    traces = example_traces(scores, "mae", "chronos", "kalman")
    mae = scores.pivot_table(index=["trace", "horizon_s"], columns="model", values="mae")
    gain = np.log(mae["chronos"] / mae["kalman"]).groupby(level="trace").mean().sort_values()
    assert traces == [gain.index[0], gain.index[(len(gain) - 1) // 2], gain.index[-1]]
    origins_s = findings.counts.origins.values((traces[0],))
    chosen = examples(findings.rows, ["truth"], traces[0], origins_s)["truth"]
    assert tuple(each.kind for each in chosen) == KINDS
    hard = difficulty_of(list(findings.rows.of(traces[0])))
    typical, best, worst = (each.difficulty for each in chosen)
    assert (best, worst) == (hard.min(), hard.max())
    assert typical == hard.iloc[(len(hard) - 1) // 2]


def test_an_unknown_trace_is_told(comparison):
    with pytest.raises(ReportError, match="there is no trace nowhere; there are <script>"):
        reporting.plot_forecasts(comparison, trace="nowhere")


def test_the_first_trace_and_the_nearest_horizon_are_drawn_where_none_is_named(make_comparison):
    small = make_comparison(windows=8, first="first", hosts=2, traces=3)
    forecasts = reporting.plot_forecasts(small, choices=QUICK)
    assert forecasts.layout.title.text == (
        reporting.plot_forecasts(small, trace="first", choices=QUICK).layout.title.text
    )
    over_time = reporting.plot_error_over_time(small, choices=QUICK)
    assert over_time.layout.meta["title"] == "Error over time: first, 64 s ahead"
    with pytest.raises(ReportError, match="there is no trace x; there are first, trace-1"):
        reporting.plot_error_over_time(small, trace="x", choices=QUICK)
    with pytest.raises(ReportError, match="first has no horizon of 65 s; it has 64 s, 256 s"):
        reporting.plot_error_over_time(small, horizon_s=65.0, choices=QUICK)


def test_a_window_is_found_by_the_nearest_origin(comparison):
    origins = sorted(comparison.rows["origin_s"].unique())
    near, exact = (
        reporting.plot_forecasts(comparison, trace="trace-2", origin_s=at).to_json()
        for at in (origins[3] + 10, origins[3])
    )
    assert near == exact


def test_numbers_are_written_or_packed():
    assert numbers([1.23456789, np.nan]) == [1.23457, None]
    packed = numbers(np.linspace(0, 1, 100))
    assert packed["dtype"] == "f4"
    assert np.frombuffer(base64.b64decode(packed["bdata"]), "<f4") == pytest.approx(
        np.linspace(0, 1, 100)
    )


def test_curves_over_time_break_where_nothing_was_forecast(comparison):
    rows = comparison.rows
    late = rows["origin_s"] > rows["origin_s"].median()
    shift = late * 86_400.0
    moved = rows.assign(origin_s=rows["origin_s"] + shift, target_s=rows["target_s"] + shift)
    figure = reporting.plot_error_over_time(
        dataclasses.replace(comparison, rows=moved), trace="trace-2", horizon_s=64.0, choices=QUICK
    )
    for each in figure.data:
        assert np.isnan(np.asarray(each.y, dtype=float)).sum() == 1
