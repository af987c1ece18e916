"""What nodes know of the time, by each method: from the past alone, with honest intervals."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from chronotick.config.schema import Config
from chronotick.lab.ordering import BASELINES, Daemon, Estimates, Node, simulated_node
from chronotick.lab.ordering.measured import measured
from chronotick.lab.ordering.residuals import FEWEST, MOST, Residuals
from chronotick.lab.replaying import Excerpt, Replay

SECOND = 1_000_000_000
CONFIDENCES = (0.8, 0.95)
METHODS = {**BASELINES, "kalman": Daemon(Config())}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Node:
    """Two hours: enough residuals for a confidence of 0.95."""
    place: Path = tmp_path_factory.mktemp("nodes")
    return simulated_node("dc_host_p6_s2", place, duration_s=7200, seed=2)


@pytest.fixture(scope="module")
def instants(node: Node) -> np.ndarray:
    rng = np.random.default_rng(3)
    low, high = node.span_ns(2700.0)
    true_ns = np.sort(rng.integers(low, high, size=400))
    return node.truth.local_at(true_ns)


@pytest.fixture(scope="module")
def known(node: Node, instants: np.ndarray) -> dict[str, Estimates]:
    return {name: method(node, instants, CONFIDENCES) for name, method in METHODS.items()}


def after(node: Node, local_ns: int) -> Node:
    """The same node with everything spoilt that arrives later than an instant."""
    changed = [
        dataclasses.replace(
            arrival,
            measurement=dataclasses.replace(
                arrival.measurement, offset_ns=arrival.measurement.offset_ns + 10**7
            ),
        )
        if node.recording.local_ns(arrival.raw_ns) > local_ns
        else arrival
        for arrival in node.recording.arrivals
    ]
    recording = dataclasses.replace(node.recording, arrivals=tuple(changed))
    return dataclasses.replace(node, recording=recording)


@pytest.mark.parametrize("name", METHODS)
def test_an_estimate_knows_nothing_of_the_future(node, instants, known, name: str):
    middle = len(instants) // 2
    told = known[name]
    spoilt = METHODS[name](after(node, int(instants[middle])), instants, CONFIDENCES)
    until = slice(0, middle + 1)
    assert (told.offset_ns[until] == spoilt.offset_ns[until]).all()
    assert (told.half_ns[until] == spoilt.half_ns[until]).all()
    assert (told.offset_ns != spoilt.offset_ns).any() or not told.offset_ns.any()
    assert (told.half_ns != spoilt.half_ns).any()


@pytest.mark.parametrize("name", METHODS)
def test_intervals_hold_true_time_as_often_as_they_say(node, instants, known, name: str):
    told = known[name]
    error = np.abs(told.offset_ns - node.truth.offset_at(instants))
    held = (error[:, np.newaxis] <= told.half_ns).mean(axis=0)
    assert held[0] >= 0.8
    assert held[1] >= 0.95
    assert held[2] == 1.0
    assert (np.diff(told.half_ns[:, :2], axis=1) > 0).all()


def test_better_methods_are_nearer_to_the_truth(node, instants, known):
    truth = node.truth.offset_at(instants)
    rms = {n: np.sqrt(np.mean((told.offset_ns - truth) ** 2.0)) for n, told in known.items()}
    assert rms["kalman"] < rms["line"] < rms["last"] < rms["raw"]


def test_the_raw_clock_is_as_wrong_as_the_last_offset_says(known):
    raw, last = known["raw"], known["last"]
    assert not raw.offset_ns.any()
    expected = last.half_ns + np.abs(last.offset_ns)[:, np.newaxis]
    assert (raw.half_ns == expected).all()


def test_the_last_offset_is_bounded_by_root_distance_and_500_ppm_of_age(node):
    seen = measured(node.recording)
    number = int(seen.best[-1])
    at = np.array([seen.arrived_ns[-1] + 10 * SECOND])
    told = BASELINES["last"](node, at, CONFIDENCES)
    age_ns = at[0] - seen.local_ns[number]
    assert told.offset_ns[0] == seen.offset_ns[number]
    assert told.half_ns[0, -1] == pytest.approx(seen.root_ns[number] + 500e-6 * age_ns)


def test_before_the_first_answer_nothing_is_known(node):
    first = measured(node.recording).arrived_ns[0]
    at = np.array([first - SECOND, first + SECOND])
    for method in METHODS.values():
        told = method(node, at, CONFIDENCES)
        assert np.isinf(told.half_ns[0]).all()
        assert told.offset_ns[0] == 0
        assert np.isfinite(told.half_ns[1, -1])


def test_the_best_source_is_the_nearest_one(node):
    seen = measured(node.recording)
    sources = [each.measurement.source for each in node.recording.arrivals]
    by_source = {each: [] for each in sources}
    for source, root in zip(sources, seen.root_ns, strict=True):
        by_source[source].append(root)
    nearest = min(by_source, key=lambda each: np.median(by_source[each]))
    chosen = [sources[number] for number in seen.best[100:]]
    assert chosen.count(nearest) > len(chosen) / 2


def test_what_nothing_bounds_has_no_bound(node, instants):
    unbounded = [dataclasses.replace(each, bounded=False) for each in node.recording.arrivals]
    recording = dataclasses.replace(node.recording, arrivals=tuple(unbounded))
    free = dataclasses.replace(node, recording=recording)
    for method in METHODS.values():
        told = method(free, instants, CONFIDENCES)
        assert np.isinf(told.half_ns[:, -1]).all()
        assert np.isfinite(told.half_ns[:, 0]).all()


def test_the_daemon_is_asked_at_the_very_instants(node):
    """On the grid of `lab replay` both say the same."""
    every = 60 * SECOND
    with Replay(node.recording, Config(), Excerpt(every_ns=every)) as running:
        estimates = list(running)
    at = np.array([each.local_ns for each in estimates], dtype=np.int64)
    told = METHODS["kalman"](node, at, (0.6826894921370859,))
    assert (told.offset_ns == [each.offset_ns for each in estimates]).all()
    assert told.half_ns[:, 0] == pytest.approx([each.sigma_ns for each in estimates], rel=1e-9)
    assert (told.half_ns[:, 1] == [each.bound_ns for each in estimates]).all()


# Residuals


def test_too_few_residuals_make_no_interval():
    residuals = Residuals()
    for _ in range(FEWEST - 1):
        residuals.add(1.0)
    assert np.isinf(residuals.half_widths(CONFIDENCES)).all()
    residuals.add(-1.0)
    assert residuals.half_widths([0.9]) == pytest.approx([1.0])


def test_a_half_width_is_the_residual_of_its_rank():
    residuals = Residuals()
    for each in range(99, 0, -1):
        residuals.add((-1) ** each * each)
    assert list(residuals.half_widths([0.5, 0.9, 0.99])) == [50.0, 90.0, 99.0]


def test_beyond_the_data_the_largest_is_stretched():
    residuals = Residuals()
    for each in range(1, 100):
        residuals.add(each)
    (wide,) = residuals.half_widths([0.999])
    assert wide == pytest.approx(99.0 * 3.2905 / 2.5758, rel=1e-3)


def test_old_residuals_are_forgotten():
    residuals = Residuals()
    for each in [1e9] * 10 + [1.0] * MOST:
        residuals.add(each)
    assert residuals.half_widths([0.99]) == pytest.approx([1.0])
