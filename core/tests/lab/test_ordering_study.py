"""Orders, waits and how sure they are: on nodes whose error is known."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
import pytest

from chronotick.lab.ordering import (
    Estimates,
    Method,
    Node,
    OrderingError,
    Settings,
    Study,
    TrueTime,
    draw_events,
    order,
)
from chronotick.lab.ordering.bootstrap import Resamples
from chronotick.lab.ordering.estimates import z_of
from chronotick.lab.ordering.frames import event_rows, score_rows, separation_rows, wait_rows
from chronotick.lab.ordering.scores import separations
from chronotick.lab.ordering.verdicts import AFTER, BEFORE, UNKNOWN, verdicts
from chronotick.lab.recordings import Arrival, Recording
from chronotick.ntp.measurement import Measurement

SECOND = 1_000_000_000
LAST_S = 7200
SIGMA_NS = 50_000.0
SETTINGS = Settings(events=6000, waits=500, warm_up_s=0, bootstrap=200)


def node(name: str, offset_ns: int = 0, last_s: int = LAST_S) -> Node:
    """A clock that is wrong by the same all the time; its two answers say when it was measured."""
    local = np.array([0, last_s], dtype=np.int64) * SECOND
    arrivals = tuple(
        Arrival(
            int(each) + SECOND,
            Measurement(
                source="s",
                raw_ns=int(each) + SECOND,
                offset_ns=offset_ns,
                delay_ns=1000,
                precision_ns=1000,
                root_delay_ns=0,
                root_dispersion_ns=0,
                stratum=1,
            ),
        )
        for each in local
    )
    truth = TrueTime(local, local + offset_ns)
    return Node(
        name=name, recording=Recording(path=name, format="", arrivals=arrivals), truth=truth
    )


NODES = [node("a", 3_000_000), node("b", -70_000), node("c"), node("d", 10**9)]


def normal(scale: float, bound: float = np.inf, seed: int = 0) -> Method:
    """Estimates off by SIGMA_NS, normally; intervals are those of ``scale`` times that sigma."""
    rng = np.random.default_rng(seed)

    def method(of: Node, local_ns: np.ndarray, confidences: Sequence[float]) -> Estimates:
        error = rng.normal(0.0, SIGMA_NS, size=len(local_ns))
        half = np.full((len(local_ns), len(confidences) + 1), bound)
        half[:, :-1] = np.multiply([z_of(each) for each in confidences], scale * SIGMA_NS)
        return Estimates(of.truth.offset_at(local_ns) + np.rint(error).astype(np.int64), half)

    return method


def oracle(of: Node, local_ns: np.ndarray, confidences: Sequence[float]) -> Estimates:
    half = np.full((len(local_ns), len(confidences) + 1), 1.0)  # instants are whole nanoseconds
    return Estimates(of.truth.offset_at(local_ns), half)


@pytest.fixture(scope="module")
def study() -> Study:
    methods = {"oracle": oracle, "honest": normal(1.0), "vain": normal(0.1, bound=1000.0)}
    return order(NODES, methods, SETTINGS)


def test_who_knows_the_truth_is_never_wrong_and_always_sure(study):
    for level in study.levels:
        score = study.score("oracle", level)
        assert score.false_orders == 0
        assert score.missed.value == 0.0
        assert score.definite.value == 1.0
        assert score.wait_s[1].value <= 5e-9
    assert study.points[0].wrong.value == 0.0


def test_honest_intervals_keep_what_they_promise(study):
    for confidence in SETTINGS.confidences:
        score = study.score("honest", f"{confidence:g}")
        assert score.missed.value == pytest.approx(1.0 - confidence, abs=0.01)
        assert score.false_of_all.value <= score.nominal
        assert score.early.value == pytest.approx((1.0 - confidence) / 2, abs=0.03)


def test_intervals_that_are_too_narrow_are_found_out(study):
    """The check of the check: a tenth of sigma must not pass."""
    for level in study.levels:
        score = study.score("vain", level)
        assert score.missed.value > 0.5
        assert score.false.value > max(score.nominal, 0.05)
    assert study.score("vain", "bound").early.value > 0.2


def test_stamps_alone_are_wrong_as_often_as_their_error_says(study):
    limits = np.array(study.separations_s)
    middles = np.sqrt(limits[1:] * limits[:-1])
    expected = [NormalDist().cdf(-each / (np.sqrt(2) * SIGMA_NS * 1e-9)) for each in middles]
    found = [each.value for each in study.points[1].wrong_by_separation]
    assert np.abs(np.subtract(found, expected)).max() < 0.08
    assert study.points[1].rms_s == pytest.approx(SIGMA_NS * 1e-9, rel=0.03)


def test_the_unknown_become_fewer_the_further_events_are_apart(study):
    unknown = [each.value for each in study.score("honest", "0.95").unknown_by_separation]
    reach_s = 2 * z_of(0.95) * SIGMA_NS * 1e-9
    assert unknown[0] > 0.98
    assert unknown[-1] == 0.0
    beyond = [share for share, low in zip(unknown, study.separations_s, strict=False) if low > 3e-4]
    assert reach_s < 3e-4
    assert max(beyond) < 0.05


def test_a_node_waits_twice_its_half_width(study):
    for confidence in SETTINGS.confidences:
        own = study.score("honest", f"{confidence:g}").own_wait_s
        expected_s = 2 * z_of(confidence) * SIGMA_NS * 1e-9
        assert [each.value for each in own] == pytest.approx([expected_s] * 2)


def test_every_node_knows_later_than_one(study):
    for score in study.intervals:
        assert score.wait_s[0].value >= score.own_wait_s[0].value


def test_without_a_bound_nothing_is_decided_and_the_wait_has_no_end(study):
    score = study.score("honest", "bound")
    assert score.definite.value == 0.0
    assert np.isnan(score.false.value)
    assert np.isinf(score.half_s)
    assert np.isinf([each.value for each in score.wait_s]).all()
    assert "honest: 100.0% of the stamps have no interval of level bound" in study.notes


def test_after_the_wait_every_later_event_is_known_to_be_later(study):
    """What the wait is for; a nanosecond is what stamps are rounded to."""
    stamped = study.stamped["honest"]
    waits = SETTINGS.waits
    judged = verdicts(stamped, 0)
    first, every = stamped.first.part(slice(waits)), stamped.everywhere
    latest = first.time_ns + first.half_ns[:, 0]
    earliest = every.time_ns + judged.wait_ns - every.half_ns[..., 0]
    assert (earliest >= latest - 1.0).all()
    assert (earliest.min(axis=0) <= latest + 1.0)[judged.wait_ns > 0].all()


def test_an_order_is_definite_only_if_intervals_are_apart(study):
    stamped = study.stamped["honest"]
    judged = verdicts(stamped, 0)
    low = [each.time_ns - each.half_ns[:, 0] for each in (stamped.first, stamped.second)]
    high = [each.time_ns + each.half_ns[:, 0] for each in (stamped.first, stamped.second)]
    assert ((judged.order == BEFORE) == (high[0] < low[1])).all()
    assert ((judged.order == AFTER) == (low[0] > high[1])).all()
    assert set(judged.order) >= {BEFORE, UNKNOWN}


def test_misses_are_told_by_node():
    def one_is_wrong(of: Node, local_ns: np.ndarray, confidences: Sequence[float]) -> Estimates:
        told = oracle(of, local_ns, confidences)
        off = 10**6 if of.name == "b" else 0
        return dataclasses.replace(told, offset_ns=told.offset_ns + off)

    score = order(NODES, {"m": one_is_wrong}, SETTINGS).score("m", "bound")
    assert score.missed_by_node == {"a": 0.0, "b": 1.0, "c": 0.0, "d": 0.0}
    assert score.false_orders > 0


def test_a_study_comes_again_with_its_seed(study):
    methods = {"oracle": oracle, "honest": normal(1.0), "vain": normal(0.1, bound=1000.0)}
    again = order(NODES, methods, SETTINGS)
    other = order(NODES, {"oracle": oracle}, dataclasses.replace(SETTINGS, seed=1))
    assert json.dumps(again.as_dict()) == json.dumps(study.as_dict())
    assert (other.events.first_ns != study.events.first_ns).any()


def test_everything_told_is_json(study):
    told = study.as_dict()
    json.dumps(told, allow_nan=False)
    assert told["pairs"] == 6
    assert [each["name"] for each in told["nodes"]] == ["a", "b", "c", "d"]
    assert len(told["intervals"]) == 12
    bound = next(e for e in told["intervals"] if (e["method"], e["level"]) == ("honest", "bound"))
    assert bound["half_s"] is None


def test_progress_is_told_by_method_and_node():
    told: list[tuple[str, str]] = []
    order(NODES[:2], {"x": oracle}, SETTINGS, lambda *each: told.append(each))
    assert told == [("x", "a"), ("x", "b")]


# Events


def test_events_lie_in_the_span_and_are_drawn_evenly():
    settings = Settings(events=20_000, waits=1, warm_up_s=0)
    span = (5 * SECOND, 500 * SECOND)
    events = draw_events(4, span, settings)
    assert len(events.pairs) == 6
    assert events.first_ns.min() >= span[0]
    assert events.second_ns.max() <= span[1]
    assert (events.first_node != events.second_node).all()
    assert np.abs(np.bincount(events.pair) - 20_000 / 6).max() < 250
    assert (events.first_node < events.second_node).mean() == pytest.approx(0.5, abs=0.02)
    counts, _ = np.histogram(events.separation_s, separations(settings))
    assert np.abs(counts - 2000).max() < 200
    assert len(separations(settings)) == 11


def test_a_span_shorter_than_the_separations_is_told():
    with pytest.raises(OrderingError, match=r"0.050 s of true time in common"):
        draw_events(2, (0, SECOND // 20), Settings())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"events": 0}, "at least one"),
        ({"events": 5, "waits": 6}, "no more waits"),
        ({"confidences": ()}, "between 0 and 1"),
        ({"confidences": (0.5, 1.0)}, "between 0 and 1"),
        ({"confidences": (0.9, 0.5)}, "ascending"),
        ({"least_s": 0.2}, "the longest above the shortest"),
        ({"warm_up_s": -1.0}, "must not be below 0"),
    ],
)
def test_settings_that_make_no_study_are_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        Settings(**changes)


# Bootstrap


def test_intervals_come_from_the_differences_between_pairs():
    pair = np.repeat(np.arange(20), 100)
    same = np.tile(np.arange(100) < 30, 20).astype(float)
    apart = (pair < 6).astype(float)
    again = Resamples(20, 2000, 0)
    alike, unlike = (again.share(each, np.ones(2000), pair) for each in (same, apart))
    assert alike.value == alike.low == alike.high == pytest.approx(0.3)
    assert unlike.value == pytest.approx(0.3)
    spread = 1.96 * np.sqrt(0.3 * 0.7 / 20)
    assert unlike.low == pytest.approx(0.3 - spread, abs=0.06)
    assert unlike.high == pytest.approx(0.3 + spread, abs=0.06)


def test_quantiles_are_those_of_the_events_and_may_be_infinite():
    values = np.concatenate([np.arange(1.0, 100.0), [np.inf]])
    median, last = Resamples(10, 500, 0).quantiles(values, np.repeat(np.arange(10), 10), [0.5, 1.0])
    assert median.value == 50.0
    assert median.low < 50.0 < median.high
    assert np.isinf(last.value)


def test_one_pair_has_no_intervals():
    pair = np.zeros(10, dtype=np.intp)
    again = Resamples(1, 500, 0)
    share = again.share(np.ones(10), np.ones(10), pair)
    (median,) = again.quantiles(np.arange(10.0), pair, [0.5])
    assert (share.value, median.value) == (1.0, 4.0)
    assert np.isnan([share.low, share.high, median.low, median.high]).all()
    notes = order(NODES[:2], {"x": oracle}, SETTINGS).notes
    assert "one pair of nodes: no bootstrap intervals" in notes


# Tables


def test_rows_hold_every_event_and_wait(study):
    events, waits = event_rows(study), wait_rows(study)
    assert len(events) == 3 * SETTINGS.events
    assert len(waits) == 3 * 4 * SETTINGS.waits
    honest = events[events["method"] == "honest"]
    definite = honest["order_0.95"] != UNKNOWN
    assert definite.mean() == study.score("honest", "0.95").definite.value
    gap_s = honest["separation_s"] + honest["second_error_s"] - honest["first_error_s"]
    assert np.allclose(honest["gap_s"], gap_s, atol=1e-12)
    assert set(honest["first_node"]) == {"a", "b", "c", "d"}


def test_scores_are_tables_too(study):
    scores, bins = score_rows(study), separation_rows(study)
    assert len(scores) == 12
    assert len(bins) == 12 * 10
    row = scores.set_index(["method", "level"]).loc[("vain", "0.99")]
    score = study.score("vain", "0.99")
    assert (row["false"], row["false_low"]) == (score.false.value, score.false.low)
    assert row["wait_q0.99_s"] == score.wait_s[1].value


def test_a_score_that_is_not_there_is_told(study):
    with pytest.raises(KeyError, match="levels"):
        study.score("oracle", "0.5")
