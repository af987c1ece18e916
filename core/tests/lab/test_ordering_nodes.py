"""Nodes of a study of ordering: their true time, and what keeps them from being compared."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from chronotick.lab.ordering import (
    Node,
    OrderingError,
    TrueTime,
    check_nodes,
    emulated_node,
    open_node,
    simulated_nodes,
)
from chronotick.lab.recordings import RecordingError

SECOND = 1_000_000_000
TRACES = Path(os.environ.get("CHRONOTICK_TRACES", Path(__file__).parents[4] / "shared" / "traces"))
GNSS = sorted((TRACES / "real").glob("scion_exp7_as*.csv.gz"))


def instants(*seconds: float) -> np.ndarray:
    return np.array([round(each * SECOND) for each in seconds], dtype=np.int64)


def steps(directory: Path, name: str, first_s: float, last_s: float) -> Path:
    """A node with a measurement every 16 s and a truth to go with it."""
    folder = directory / name
    folder.mkdir()
    times = np.arange(first_s, last_s, 16.0)
    rows = [f"{each:.1f},0.001,0.0002" for each in times]
    (folder / "measurements.csv").write_text("\n".join(["t_s,offset_s,delay_s", *rows, ""]))
    truth = [f"{each:.1f},0.00105" for each in times]
    (folder / "truth.csv").write_text("\n".join(["t_local_s,offset_s", *truth, ""]))
    return folder


def opened(directory: Path, spans: Sequence[tuple[float, float]]) -> list[Node]:
    return [
        open_node(str(steps(directory, f"n{number}", *span))) for number, span in enumerate(spans)
    ]


def test_true_time_goes_there_and_back_to_the_nanosecond():
    """On Unix times a float alone would be 256 ns off."""
    local = instants(0, 10, 20) + 1_763_640_000 * SECOND
    truth = TrueTime(local, local + np.array([0, 1_000, 5_000]))
    at = local[0] + instants(0, 2.5, 10, 15, 20)
    assert (truth.offset_at(at) == [0, 250, 1_000, 3_000, 5_000]).all()
    assert (truth.true_at(at) - at == [0, 250, 1_000, 3_000, 5_000]).all()
    assert np.abs(truth.local_at(truth.true_at(at)) - at).max() <= 1
    assert truth.span_ns == (local[0], local[2] + 5_000)


def test_beyond_its_ends_the_offset_stays():
    truth = TrueTime(instants(0, 10), instants(1, 12))
    assert (truth.offset_at(instants(-5, 50)) == instants(1, 2)).all()


@pytest.mark.parametrize(
    ("local", "true", "words"),
    [
        (
            (0.0, 1.0, 1.0),
            (0.0, 1.0, 2.0),
            "local time does not run forward after local time 1.000",
        ),
        ((0.0, 1.0, 2.0), (0.0, 5.0, 4.0), "true time does not run forward after local time 1.000"),
        ((0.0,), (0.0,), "at a single instant"),
    ],
)
def test_a_truth_that_makes_no_time_is_refused(local, true, words):
    with pytest.raises(OrderingError, match=words):
        TrueTime(instants(*local), instants(*true))


def test_a_node_is_a_folder_a_file_or_a_pair_of_files(tmp_path):
    folder = steps(tmp_path, "alpha", 0, 200)
    apart = tmp_path / "apart.csv"
    apart.write_text((folder / "measurements.csv").read_text())
    by_folder = open_node(str(folder))
    by_file = open_node(str(folder / "measurements.csv"))
    by_pair = open_node(f"{apart}={folder / 'truth.csv'}")
    assert [each.name for each in (by_folder, by_file, by_pair)] == ["alpha", "alpha", "apart"]
    for each in (by_folder, by_file, by_pair):
        assert len(each.recording.arrivals) == 13
        assert (each.truth.offset_at(instants(100)) == 1_050_000).all()


def test_simulated_nodes_differ_and_come_again(tmp_path):
    made = simulated_nodes(3, tmp_path / "a", duration_s=600, seed=7)
    again = simulated_nodes(3, tmp_path / "b", duration_s=600, seed=7)
    assert [each.name for each in made] == ["dc-calm-7", "wan-hvac-8", "wifi-load-9"]
    for one, other in zip(made, again, strict=True):
        assert one.recording.arrivals == other.recording.arrivals
    assert len({each.recording.arrivals for each in made}) == 3


# What cannot be compared


def test_one_node_is_too_few(tmp_path):
    with pytest.raises(OrderingError, match="1 node: an order needs events on two"):
        check_nodes(opened(tmp_path, [(0, 500)]), 0)


def test_a_node_is_not_compared_with_itself(tmp_path):
    (node,) = opened(tmp_path, [(0, 500)])
    with pytest.raises(OrderingError, match="n0 is the name of two nodes"):
        check_nodes([node, node], 0)


def test_a_truth_beside_belongs_to_one_node(tmp_path):
    folder = steps(tmp_path, "n", 0, 9000)
    (folder / "measurements.csv").rename(folder / "a.csv")
    shutil.copy(folder / "a.csv", folder / "b.csv")
    both = [open_node(str(folder / name)) for name in ("a.csv", "b.csv")]
    with pytest.raises(OrderingError, match=r"truth\.csv would be the truth of a and b"):
        check_nodes(both, 0.0)
    shutil.copy(folder / "truth.csv", folder / "b.truth.csv")
    check_nodes([both[0], open_node(str(folder / "b.csv"))], 0.0)


def test_spans_that_do_not_overlap_are_told(tmp_path):
    nodes = opened(tmp_path, [(0, 500), (1000, 2000)])
    with pytest.raises(OrderingError, match=r"no true time in common.*n0 100 to 496 s; n1 1100"):
        check_nodes(nodes, 100)


def test_a_truth_shorter_than_the_warm_up_is_told(tmp_path):
    nodes = opened(tmp_path, [(0, 9000), (0, 500)])
    with pytest.raises(OrderingError, match=r"n1: .* last 496 s, no longer than the warm-up"):
        check_nodes(nodes, 3600)


def test_a_truth_of_another_time_is_told(tmp_path):
    folder = steps(tmp_path, "n", 0, 500)
    other = steps(tmp_path, "other", 9000, 9500)
    stray = open_node(f"{folder / 'measurements.csv'}={other / 'truth.csv'}")
    with pytest.raises(OrderingError, match="measurements and its truth have no time in common"):
        check_nodes([stray, open_node(str(other))], 0)


def test_the_common_span_counts_from_the_last_warm_up_to_the_first_end(tmp_path):
    nodes = opened(tmp_path, [(0, 1000), (160, 900)])
    first, last = check_nodes(nodes, 100)
    assert first == pytest.approx(260e9, abs=0.01e9)
    assert last == pytest.approx(896e9, abs=0.01e9)


def test_measurements_without_a_truth_are_told(tmp_path):
    folder = steps(tmp_path, "n", 0, 500)
    (folder / "truth.csv").unlink()
    with pytest.raises(OrderingError, match=r"no truth \(truth.csv.gz\) beside it.*--over"):
        open_node(str(folder))


@pytest.mark.parametrize(
    ("name", "words"),
    [(".", "it is no world's directory"), ("none.csv", "does not exist")],
)
def test_what_is_no_node_is_told(tmp_path, name, words):
    with pytest.raises(OrderingError, match=words):
        open_node(str(tmp_path / name))


def test_a_truth_is_not_taken_for_measurements(tmp_path):
    folder = steps(tmp_path, "n", 0, 500)
    with pytest.raises(OrderingError, match="is a truth"):
        open_node(str(folder / "truth.csv"))


def test_damaged_measurements_keep_their_own_error(tmp_path):
    folder = steps(tmp_path, "n", 0, 500)
    (folder / "measurements.csv").write_text("t_s,offset_s\n1,fast\n")
    with pytest.raises(RecordingError, match="line 2"):
        open_node(str(folder))


# Recorded clocks


def recorded(tmp_path: Path, sources: str = "gnss") -> Path:
    path = tmp_path / "clock.csv"
    rows = [
        f"{second + 5},{2e-4 + 1e-7 * second:.9f},{sources[second % len(sources)]}"
        for second in range(1500)
    ]
    path.write_text("\n".join(["t_s,offset_s,source", *rows, ""]))
    return path


def test_a_recorded_clock_is_measured_over_a_simulated_network(tmp_path):
    node = emulated_node(str(recorded(tmp_path, "g")), "dc", seed=3)
    assert node.name == "clock-dc"
    assert len(node.recording.counts) == 4
    for arrival in node.recording.arrivals:
        measurement = arrival.measurement
        local_ns = np.array([node.recording.local_ns(measurement.raw_ns)])
        true_ns = int(node.truth.offset_at(local_ns)[0])
        error_ns = measurement.offset_ns + node.recording.shift_ns - true_ns
        assert abs(error_ns) <= measurement.delay_ns / 2 + 2


def test_chance_of_the_network_has_a_seed(tmp_path):
    path = str(recorded(tmp_path, "g"))
    one, same, other = (emulated_node(path, "wifi", seed=seed) for seed in (1, 1, 2))
    assert one.recording.arrivals == same.recording.arrivals
    assert one.recording.arrivals != other.recording.arrivals


def test_several_sources_are_no_truth(tmp_path):
    with pytest.raises(OrderingError, match="has 2 sources"):
        emulated_node(str(recorded(tmp_path, "ab")), "dc", seed=0)


def test_an_unknown_network_is_told(tmp_path):
    with pytest.raises(ValueError, match="'wlan' is not one of dc"):
        emulated_node(str(recorded(tmp_path, "g")), "wlan", seed=0)


@pytest.mark.skipif(len(GNSS) < 2, reason="no GNSS traces (CHRONOTICK_TRACES)")
def test_the_gnss_traces_have_a_time_in_common():
    nodes = [emulated_node(str(path), "dc", seed=0) for path in GNSS[:2]]
    first, last = check_nodes(nodes, 3600.0)
    assert last - first > 5 * 3600 * SECOND
    assert all(len(node.truth.local_ns) > 22_000 for node in nodes)
