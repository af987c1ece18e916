"""What a node says of its clock at given instants."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from chronotick.lab.ordering.nodes import Node
from chronotick.lab.ordering.truetime import Instants, Vector


@dataclass(frozen=True, slots=True, eq=False)
class Estimates:
    """Estimates at n local instants.

    Attributes:
        offset_ns: true time - local clock, int64 [n].
        half_ns: half the width of each interval, [n, levels]: one for each confidence, then the
            hard bound; infinite where there is none.
    """

    offset_ns: Instants
    half_ns: Vector


Method = Callable[[Node, Instants, Sequence[float]], Estimates]
"""Estimates of a node at ascending local instants, with intervals of given confidences and the
bound; each from what had arrived by then."""


def z_of(confidence: float) -> float:
    """Standard deviations to either side that hold this share of a normal distribution."""
    return NormalDist().inv_cdf((1.0 + confidence) / 2.0)


def without_estimate(count: int, levels: int) -> Estimates:
    """The local clock as it is, with nothing known of its error."""
    return Estimates(np.zeros(count, dtype=np.int64), np.full((count, levels), np.inf))
