"""A node's measurements as arrays, and which of its sources was best when."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from statistics import median

import numpy as np
from numpy.typing import NDArray

from chronotick.lab.ordering.truetime import Instants, Vector
from chronotick.lab.recordings import Recording

JUDGED = 8  # newest measurements of a source that say how good it is


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Measured:
    """Measurements in the order of their arrival; local times are the recording's own.

    Attributes:
        arrived_ns: when the reply was there, [n].
        local_ns: middle of the exchange, [n].
        offset_ns: true time - local clock, [n].
        root_ns: its root distance, [n].
        bound_ns: its largest error; infinite where nothing bounds it, [n].
        before: the measurement of the same source before it; -1: none, [n].
        best: the newest measurement of what was then the best source, [n].
    """

    arrived_ns: Instants
    local_ns: Instants
    offset_ns: Instants
    root_ns: Vector
    bound_ns: Vector
    before: NDArray[np.intp]
    best: NDArray[np.intp]


def measured(recording: Recording) -> Measured:
    """Arrange a recording.

    The best source is the one with the smallest median root distance of its newest `JUDGED`
    measurements. Nobody is asked whether it tells the truth.
    """
    arrivals = recording.arrivals
    values = [each.measurement for each in arrivals]
    root = np.array([each.root_distance_ns for each in values], dtype=float)
    bounded = np.array([each.bounded for each in arrivals])
    before, best = _histories([each.source for each in values], root)
    return Measured(
        arrived_ns=_local(recording, [each.raw_ns for each in arrivals]),
        local_ns=_local(recording, [each.raw_ns for each in values]),
        offset_ns=np.array([e.offset_ns + recording.shift_ns for e in values], dtype=np.int64),
        root_ns=root,
        bound_ns=np.where(bounded, root, np.inf),
        before=before,
        best=best,
    )


def _histories(sources: list[str], root: Vector) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    newest: dict[str, int] = {}
    recent: dict[str, deque[float]] = {}
    distance: dict[str, float] = {}
    before, best = [], []
    for number, source in enumerate(sources):
        before.append(newest.get(source, -1))
        newest[source] = number
        recent.setdefault(source, deque(maxlen=JUDGED)).append(float(root[number]))
        distance[source] = median(recent[source])
        best.append(newest[min(distance, key=distance.__getitem__)])
    return np.array(before, dtype=np.intp), np.array(best, dtype=np.intp)


def _local(recording: Recording, raw_ns: list[int]) -> Instants:
    return np.array([recording.local_ns(each) for each in raw_ns], dtype=np.int64)
