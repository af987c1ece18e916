"""How unlike the two ways of a route are: judged by how well servers agree.

The difference of the two ways' shortest delays puts every measurement of a server wrong by the same
amount, its *bias*. No measurement can tell what biases have in common; what they differ by can be
seen. The bank gives each a wide normal prior, in proportion to its delay. Here the prior's width
becomes a hypothesis of its own: servers that agree far better than their delays would allow have
symmetric routes, most likely, and then what they have in common is small as well (an empirical
Bayes prior; Morris, "Parametric empirical Bayes inference", JASA 78, 1983).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chronotick.clock.mixture import shares, spread

WIDEST = 2.0  # prior of the filters, in configured asymmetries
WIDTHS = np.array([0.05, 0.15, 0.5, 1.0, WIDEST])  # hypotheses, in configured asymmetries
PRIOR = np.array([0.10, 0.10, 0.25, 0.40, 0.15])  # their probabilities; rms width 1.03
TOLERANCE = (1.0, 1.0, 2.2, 2.2, 1.62, 1.42, 1.31, 1.25)
"""By number of servers: how much wider 95 % of Student's t with one degree of freedom less than
servers is than 95 % of the normal distribution (two servers: as three, or nothing would be left to
say). What servers have in common is judged by how few of them differ."""

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class RouteEffect:
    """What judging the routes changes.

    Attributes:
        shift_s: to be added to the offset.
        bias_shifts_s: ``[S]`` to be added to the biases.
        variance: of the offset, in s², in place of the filters' own.
        unseen: the part of it that no measurement can tell.
    """

    shift_s: float
    bias_shifts_s: Vector
    variance: float
    unseen: float


def no_routes(variance: float) -> RouteEffect:
    """Without sources there is nothing to judge: the offset keeps its variance in s²."""
    return RouteEffect(0.0, np.zeros(0), variance, 0.0)


def judge_routes(mean: Vector, covariance: Vector, prior: Vector) -> RouteEffect:
    """Average over how asymmetric routes may be.

    Args:
        mean: ``[1 + S]`` estimated offset and biases in s.
        covariance: ``[1 + S, 1 + S]`` of both in s².
        prior: ``[S]`` variance in s² that each bias was given at first, the widest hypothesis'.
    """
    if not len(prior):
        return no_routes(float(covariance[0, 0]))
    shifts, less, evidence = _narrowed(mean, covariance, prior)
    weights = shares(evidence + np.log(PRIOR))
    total = float(covariance[0, 0] - weights @ less) + spread(weights, shifts[:, 0])
    common = float(weights @ WIDTHS**2) / WIDEST**2 / float(np.sum(1.0 / prior))
    unseen = min(common, max(total, 0.0))
    wider = TOLERANCE[min(len(prior), len(TOLERANCE) - 1)] ** 2
    moved = weights @ shifts
    return RouteEffect(
        shift_s=float(moved[0]),
        bias_shifts_s=moved[1:],
        variance=max(total, 0.0) + (wider - 1.0) * unseen,
        unseen=wider * unseen,
    )


def _narrowed(mean: Vector, covariance: Vector, prior: Vector) -> tuple[Vector, Vector, Vector]:
    """What each hypothesis changes, and how much better it explains the biases than the widest.

    A narrower normal prior is the wider one and, for each bias, a measurement of 0. The evidence is
    the logarithm of a likelihood ratio: the mean over what is believed of the biases of the
    narrower prior's density over the widest one's.

    Returns:
        Shifts ``[W, 1 + S]`` in s, what the offset's variance loses ``[W]`` in s², and the
        evidence ``[W]``; zeros for the widest, which is the last.
    """
    widths = len(WIDTHS)
    shifts, less, evidence = np.zeros((widths, len(mean))), np.zeros(widths), np.zeros(widths)
    ratio = WIDEST / WIDTHS[:-1, np.newaxis]
    narrower = ratio**2 - 1.0  # information added, in units of 1/prior
    biases, own, gain = mean[1:], covariance[1:, 1:], covariance[:, 1:]
    count, diagonal = len(prior), np.arange(len(prior))
    total = np.repeat(own[np.newaxis], len(narrower), axis=0)
    total[:, diagonal, diagonal] += prior / narrower
    wanted = np.stack([biases, gain[0]], axis=1)
    solved = np.linalg.solve(total, np.broadcast_to(wanted, (len(narrower), *wanted.shape)))
    shifts[:-1] = -solved[:, :, 0] @ gain.T
    less[:-1] = solved[:, :, 1] @ gain[0]
    scaled = np.eye(count) + own * (narrower / prior)[:, np.newaxis, :]
    misfit = np.linalg.slogdet(scaled)[1] + solved[:, :, 0] @ biases
    evidence[:-1] = count * np.log(ratio[:, 0]) - misfit / 2
    return shifts, less, evidence
