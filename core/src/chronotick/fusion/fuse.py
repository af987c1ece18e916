"""Weights by proven skill, and the fused path.

Inverse-variance weighting, the variance being each model's measured squared error at the horizon
at hand on this host (:class:`chronotick.fusion.skill.Skill`), never what it claims. Models that
were not scored there have no weight. The estimator's own extrapolation is always a member.

All members saw the same measurements, so their errors are correlated and averaging them does not
make the result better than the best: the fused sigma is the best member's, and where the members
disagree, their spread on top.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from chronotick.clock.state import ClockState
from chronotick.fusion.skill import Skill
from chronotick.models.forecast import PathForecast

BASELINE = "kalman"
SMOOTHING_S = 10.0  # time constant with which weights follow their targets
MINOR = 0.05  # members of less weight do not speak for the uncertainty


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One model's part in the served time.

    Attributes:
        model: its name.
        weight: share of it, 0 to 1.
        offset_ns: UTC - RAW it forecasts for the instant.
        sigma_s: its measured or (baseline) calibrated standard error at the horizon.
        horizon_s: time since the newest measurement it knew.
        reason: why it has that weight, in words.
    """

    model: str
    weight: float
    offset_ns: int
    sigma_s: float
    horizon_s: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fused:
    """The fused estimate at an instant.

    Attributes:
        raw_ns: the instant.
        offset_ns: UTC - RAW.
        sigma_s: calibrated standard uncertainty.
        members: all models, weightless ones included.
    """

    raw_ns: int
    offset_ns: int
    sigma_s: float
    members: tuple[Member, ...]


@dataclass(frozen=True, slots=True)
class _Candidate:
    model: str
    offset_ns: int
    variance: float | None
    horizon_s: float
    reason: str


class Fusion:
    """Follows the skill of models with smooth weights.

    Args:
        method: ``inverse_variance``, ``best`` or ``none`` (the baseline alone).
        skill: measured errors of all models.
    """

    def __init__(self, method: str, skill: Skill) -> None:
        self._method = method
        self._skill = skill
        self._weights: dict[str, float] = {}
        self._raw_ns: int | None = None

    def fuse(
        self, state: ClockState, factor: float, raw_ns: int, paths: Mapping[str, PathForecast]
    ) -> Fused:
        """Let the weights move on to an instant and fuse there.

        Args:
            state: the estimator's newest state; its extrapolation is the baseline.
            factor: calibration of its standard uncertainty.
            raw_ns: the instant, not before the state's.
            paths: for each model the forecast that speaks for it.
        """
        self._follow(self._targets(self._candidates(state, factor, raw_ns, paths)), raw_ns)
        return self.ahead(state, factor, raw_ns, paths)

    def ahead(
        self, state: ClockState, factor: float, raw_ns: int, paths: Mapping[str, PathForecast]
    ) -> Fused:
        """Fuse at an instant with the weights as they are; arguments as for :meth:`fuse`."""
        return _combine(self._candidates(state, factor, raw_ns, paths), self._weights, raw_ns)

    def _candidates(
        self, state: ClockState, factor: float, raw_ns: int, paths: Mapping[str, PathForecast]
    ) -> list[_Candidate]:
        estimate = state.var_offset * factor**2
        others = (path for model, path in paths.items() if model != BASELINE)
        return [
            self._baseline(state, factor, raw_ns),
            *(self._candidate(path, raw_ns, estimate) for path in others),
        ]

    def _baseline(self, state: ClockState, factor: float, raw_ns: int) -> _Candidate:
        horizon_s = (raw_ns - state.raw_ns) * 1e-9
        variance = state.variance_at(raw_ns) * factor**2
        mean_square = self._skill.mean_square(BASELINE, horizon_s)
        if mean_square is not None:  # measured like everybody's, its own word being the least
            variance = max(variance, mean_square + state.var_offset * factor**2)
        reason = "baseline, always a member"
        return _Candidate(BASELINE, state.offset_at(raw_ns), variance, horizon_s, reason)

    def _candidate(self, path: PathForecast, raw_ns: int, estimate: float) -> _Candidate:
        horizon_s = path.horizon_s(raw_ns)
        offset_ns = path.offset_at(raw_ns)
        if not path.covers(raw_ns):
            ended_s = (raw_ns - path.issued_raw_ns - path.reach_ns) * 1e-9
            reason = f"its forecast ended {ended_s:.0f} s ago"
            return _Candidate(path.model, offset_ns, None, horizon_s, reason)
        mean_square = self._skill.mean_square(path.model, horizon_s)
        scores = self._skill.scores(path.model, horizon_s)
        if mean_square is None:
            reason = f"not proven at {horizon_s:.0f} s: {scores} scored forecasts"
            return _Candidate(path.model, offset_ns, None, horizon_s, reason)
        reason = f"rms {math.sqrt(mean_square) * 1e6:.1f} us in {scores} forecasts"
        # The error was measured around the estimator's level; how well that is known comes on top.
        return _Candidate(path.model, offset_ns, mean_square + estimate, horizon_s, reason)

    def _targets(self, candidates: list[_Candidate]) -> dict[str, float]:
        baseline, *others = candidates
        proven = [c for c in others if c.variance is not None]
        if self._method == "none" or not proven:
            return {baseline.model: 1.0}
        judged = {c.model: c.variance for c in [baseline, *proven] if c.variance is not None}
        if self._method == "best":
            return {min(judged, key=judged.__getitem__): 1.0}
        precision = {model: 1.0 / max(variance, 1e-24) for model, variance in judged.items()}
        total = sum(precision.values())
        return {model: p / total for model, p in precision.items()}

    def _follow(self, targets: dict[str, float], raw_ns: int) -> None:
        if self._raw_ns is None:
            self._weights = dict(targets)
        else:
            passed_s = max(raw_ns - self._raw_ns, 0) * 1e-9
            share = 1.0 - math.exp(-passed_s / SMOOTHING_S)
            for model in self._weights.keys() | targets.keys():
                now = self._weights.get(model, 0.0)
                self._weights[model] = now + share * (targets.get(model, 0.0) - now)
        self._raw_ns = raw_ns


def _combine(candidates: list[_Candidate], weights: dict[str, float], raw_ns: int) -> Fused:
    # A model that lost its forecast or its proof counts no longer, however smooth its weight.
    shares = {c.model: weights.get(c.model, 0.0) for c in candidates if c.variance is not None}
    total = sum(shares.values())
    if total <= 0:
        shares, total = {candidates[0].model: 1.0}, 1.0
    members = tuple(
        Member(
            model=c.model,
            weight=shares.get(c.model, 0.0) / total,
            offset_ns=c.offset_ns,
            sigma_s=math.nan if c.variance is None else math.sqrt(c.variance),
            horizon_s=c.horizon_s,
            reason=c.reason,
        )
        for c in candidates
    )
    base = members[0].offset_ns
    mean = sum(m.weight * (m.offset_ns - base) for m in members)
    spread = sum(m.weight * ((m.offset_ns - base - mean) * 1e-9) ** 2 for m in members)
    heavy = min(MINOR, max(m.weight for m in members))
    best = min(m.sigma_s for m in members if m.weight >= heavy)
    return Fused(
        raw_ns=raw_ns,
        offset_ns=base + round(mean),
        sigma_s=math.hypot(best, math.sqrt(spread)),
        members=members,
    )
