"""Weights of all models at one horizon, by each of the methods.

The baseline gets what the others leave. Nobody gets more than is proven: see
:class:`chronotick.fusion.evidence.Evidence`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from chronotick.fusion.evidence import Evidence
from chronotick.fusion.skill import Skill

DOUBT: Final = 3.5  # standard errors at which an advantage counts for nothing yet: scores correlate
SURE: Final = 3.0  # standard errors by which the method ``best`` wants a model to be better
STEADY: Final = 0.5  # the method ``best`` leaves a model that keeps less of its share
HOPELESS: Final = 3.0  # a mean square error by so many of the baseline's larger earns nothing
HARMLESS: Final = 0.02  # of the baseline's mean square error: what unproven members may cost
RIDGE: Final = 0.01  # splits the weight of models that say the same evenly
SWEEPS: Final = 20
SETTLED: Final = 1e-4  # a weight that moves by less has arrived

Candidates = Mapping[str, Evidence]
Method = Callable[[Skill, int, Candidates, Mapping[str, float]], dict[str, float]]


def weigh(method: str, skill: Skill, index: int, before: Mapping[str, float]) -> dict[str, float]:
    """Return the weight of every model that is proven at a horizon.

    Args:
        method: ``inverse_variance``, ``expert``, ``best`` or ``none``.
        skill: what is known of the models.
        index: which horizon.
        before: the weights until now.
    """
    proven = {m: e for m in skill.models if (e := skill.evidence(m, index)) is not None}
    admitted = {
        model: evidence
        for model, evidence in proven.items()
        if not skill.is_demoted(model)
        and not skill.clearly_worse(model, index)
        and evidence.difference <= HOPELESS * skill.own_mean_square(index)
    }
    weights = _METHODS[method](skill, index, admitted, before)
    return {model: weights.get(model, 0.0) for model in proven}


def minimum_variance(
    benefit: Sequence[float], cost: Sequence[Sequence[float]], start: Sequence[float]
) -> list[float]:
    """Minimise ``w' C w - 2 b' w`` over weights that are not negative and sum to at most 1.

    Mass is moved between two members at a time, or between one and the baseline, each time to the
    exact minimum of that pair (sequential minimal optimisation; Platt 1998).

    Args:
        benefit: ``b``, one per member.
        cost: ``C``, symmetric.
        start: weights to start from.
    """
    w = [max(value, 0.0) for value in start]
    total = sum(w)
    w = [value / max(total, 1.0) for value in w]
    slope = [
        b - sum(c * v for c, v in zip(row, w, strict=True))
        for b, row in zip(benefit, cost, strict=True)
    ]
    for _ in range(SWEEPS):
        moved = 0.0
        for i in range(len(w)):
            spare = max(1.0 - sum(w), 0.0)
            moved += _move(w, slope, cost, (i, -1), spare)
            for j in range(i):
                moved += _move(w, slope, cost, (i, j), w[j])
        if moved < SETTLED:
            break
    return w


def _move(
    w: list[float],
    slope: list[float],
    cost: Sequence[Sequence[float]],
    pair: tuple[int, int],
    available: float,
) -> float:
    """Move mass from the second of a pair (-1: the baseline) to the first; return how much."""
    i, j = pair
    rise, curve = slope[i], cost[i][i]
    if j >= 0:
        rise, curve = rise - slope[j], curve + cost[j][j] - 2.0 * cost[i][j]
    if curve <= 0.0:
        return 0.0
    step = max(-w[i], min(rise / curve, available))
    w[i] += step
    if j >= 0:
        w[j] -= step
    for n, row in enumerate(cost):
        slope[n] -= step * (row[i] - (row[j] if j >= 0 else 0.0))
    return abs(step)


def _inverse_variance(
    skill: Skill, index: int, admitted: Candidates, before: Mapping[str, float]
) -> dict[str, float]:
    """Weights by the inverse of the members' error covariance, none of them negative."""
    names = list(admitted)
    gaps = [admitted[m].gap_square_now for m in names]
    shares = [admitted[m].share(DOUBT) * admitted[m].steadiness for m in names]
    if not any(shares):
        return _harmless(skill, index, admitted)
    benefit = [share * gap for share, gap in zip(shares, gaps, strict=True)]
    cost = [
        [
            gaps[i] * (1.0 + RIDGE)
            if i == j
            else skill.alike(index, one, other) * math.sqrt(gaps[i] * gaps[j])
            for j, other in enumerate(names)
        ]
        for i, one in enumerate(names)
    ]
    found = minimum_variance(benefit, cost, [before.get(m, 0.0) for m in names])
    floor = _harmless(skill, index, admitted)
    weights = {m: max(w, floor[m]) for m, w in zip(names, found, strict=True)}
    total = sum(weights.values())
    return {m: w / max(total, 1.0) for m, w in weights.items()}


def _harmless(skill: Skill, index: int, admitted: Candidates) -> dict[str, float]:
    """Weights so small that no member can do harm with its own, however wrong it is.

    A member with weight w adds at most ``2 w sqrt(g² e²) + w² g²`` to the mean square error.
    """
    own = skill.own_mean_square(index)
    return {
        model: min(0.5, 0.5 * HARMLESS * math.sqrt(own / max(evidence.gap_square_now, 1e-24)))
        / len(admitted)
        for model, evidence in admitted.items()
    }


def _expert(
    skill: Skill, index: int, admitted: Candidates, before: Mapping[str, float]
) -> dict[str, float]:
    del before
    learnt = skill.experts.weights(index) if skill.experts else {}
    return {m: learnt.get(m, 0.0) * evidence.steadiness for m, evidence in admitted.items()}


def _best(
    skill: Skill, index: int, admitted: Candidates, before: Mapping[str, float]
) -> dict[str, float]:
    """The model with the least error, if it is better than the baseline beyond doubt."""
    del skill, index, before
    better = {
        m: e.difference for m, e in admitted.items() if e.worse_by < -SURE and e.steadiness > STEADY
    }
    return {min(better, key=better.__getitem__): 1.0} if better else {}


def _none(
    skill: Skill, index: int, admitted: Candidates, before: Mapping[str, float]
) -> dict[str, float]:
    del skill, index, admitted, before
    return {}


_METHODS: Final[Mapping[str, Method]] = {
    "inverse_variance": _inverse_variance,
    "expert": _expert,
    "best": _best,
    "none": _none,
}
