"""Nodes: a clock, what was measured of it, and what was true."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from chronotick.lab.ordering.errors import OrderingError
from chronotick.lab.ordering.truetime import TrueTime
from chronotick.lab.recordings import Recording, read_recording
from chronotick.lab.traces.truth import truth_beside

NS_PER_S = 1_000_000_000
PAIR = 2
TRUTHS = ("truth.csv.gz", "truth.csv")
MEASUREMENTS = ("measurements.csv.gz", "measurements.csv")
FOREIGN = "Give MEASUREMENTS=TRUTH, or, where offsets are themselves the truth (GNSS), use --over"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Node:
    """One node of a study.

    Attributes:
        name: unique in the study.
        recording: what it measured.
        truth: what was true.
        truth_path: where that is from; ``None``: it belongs to no other node.
    """

    name: str
    recording: Recording
    truth: TrueTime
    truth_path: Path | None = None

    def span_ns(self, warm_up_s: float) -> tuple[int, int]:
        """True time from its warm-up to its last measurement, as far as the truth is known."""
        first, last = self.seen_ns
        return first + round(warm_up_s * NS_PER_S), last

    @property
    def seen_ns(self) -> tuple[int, int]:
        """True time of its first and last measurement, as far as the truth is known."""
        arrived = [self.recording.local_ns(self.recording.arrivals[n].raw_ns) for n in (0, -1)]
        first, last = (int(each) for each in self.truth.true_at(np.array(arrived, dtype=np.int64)))
        return max(first, self.truth.span_ns[0]), min(last, self.truth.span_ns[1])


def open_node(told: str) -> Node:
    """Open a node.

    Args:
        told: a directory with measurements and truth as ``chronotick lab simulate`` writes them, a
            file of measurements with the truth beside it, or ``MEASUREMENTS=TRUTH``.

    Raises:
        RecordingError: a file cannot be read.
        OrderingError: there is no truth, or it does not run forward.
    """
    measurements, truth = _files(told)
    try:
        known = TrueTime.read(str(truth))
    except OrderingError as error:
        raise OrderingError(f"{truth}: {error}") from None
    return Node(
        name=name_of(measurements),
        recording=read_recording(str(measurements)),
        truth=known,
        truth_path=truth,
    )


def name_of(path: Path) -> str:
    """What a node is called: its file, or its folder where the file's name says nothing."""
    if path.name in MEASUREMENTS:
        return path.resolve().parent.name
    return path.name.removesuffix(".gz").removesuffix(".csv")


def check_nodes(nodes: Sequence[Node], warm_up_s: float) -> tuple[int, int]:
    """Return the true time that all nodes have in common after their warm-up, ns.

    Raises:
        OrderingError: there is none, a name stands for two nodes, or there is one node only.
    """
    if len(nodes) < PAIR:
        raise OrderingError(
            f"{len(nodes)} node{'s' if len(nodes) != 1 else ''}: an order needs events on two "
            "nodes. Name more, or --simulate some"
        )
    names = [node.name for node in nodes]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise OrderingError(
            f"{twice} is the name of two nodes. Rename one: a clock is not compared with itself"
        )
    for node in nodes:
        _check_length(node, warm_up_s)
    truths = [node.truth_path for node in nodes if node.truth_path]
    shared = next((path for path in truths if truths.count(path) > 1), None)
    if shared is not None:
        told = " and ".join(node.name for node in nodes if node.truth_path == shared)
        raise OrderingError(
            f"{shared} would be the truth of {told}. Name each one's own: X.truth.csv beside "
            "X.csv, or MEASUREMENTS=TRUTH"
        )
    spans = [node.span_ns(warm_up_s) for node in nodes]
    first, last = max(span[0] for span in spans), min(span[1] for span in spans)
    if first >= last:
        told = "; ".join(
            f"{node.name} {low * 1e-9:.0f} to {high * 1e-9:.0f} s"
            for node, (low, high) in zip(nodes, spans, strict=True)
        )
        raise OrderingError(
            f"the nodes have no true time in common after the warm-up of {warm_up_s:g} s: {told}. "
            "Their truths must count from the same origin"
        )
    return first, last


def _check_length(node: Node, warm_up_s: float) -> None:
    first, last = node.seen_ns
    if first >= last:
        raise OrderingError(
            f"{node.name}: its measurements and its truth have no time in common. Are they of the "
            "same recording?"
        )
    if last - first <= warm_up_s * NS_PER_S:
        raise OrderingError(
            f"{node.name}: measurements with known truth last {(last - first) * 1e-9:.0f} s, no "
            f"longer than the warm-up of {warm_up_s:g} s. Shorten that: --warm-up"
        )


def _files(told: str) -> tuple[Path, Path]:
    path = Path(told)
    if path.is_dir():
        measurements = _first(path, MEASUREMENTS)
        if measurements is None:
            raise OrderingError(f"{told} holds no {MEASUREMENTS[0]}: it is no world's directory")
        return measurements, _truth(measurements)
    if not path.exists() and "=" in told:
        left, _, right = told.partition("=")
        return Path(left), Path(right)
    return path, _truth(path)


def _truth(measurements: Path) -> Path:
    found = truth_beside(str(measurements)) or _first(measurements.parent, TRUTHS)
    if found is None:
        if not measurements.exists():
            raise OrderingError(f"{measurements} does not exist")
        raise OrderingError(f"{measurements} has no truth ({TRUTHS[0]}) beside it. {FOREIGN}")
    if found == measurements:
        raise OrderingError(f"{measurements} is a truth. Name the measurements, or the directory")
    return found


def _first(directory: Path, names: Sequence[str]) -> Path | None:
    return next((directory / name for name in names if (directory / name).exists()), None)
