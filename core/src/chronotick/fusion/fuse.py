"""The fused path: every model's forecast with the weight it has proven at that horizon.

All members saw the same measurements, so their errors are correlated and averaging them does not
make the result better than the best: the fused sigma is never below the best member's, and where
the members disagree, their spread comes on top.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from chronotick.clock.state import ClockState
from chronotick.fusion.fused import Fused, Member, Scale, fused_variance
from chronotick.fusion.horizons import HORIZONS_S, horizon_index, place_of
from chronotick.fusion.paths import gap_of
from chronotick.fusion.skill import BASELINE, Skill
from chronotick.fusion.weighing import DOUBT, weigh
from chronotick.models.forecast import PathForecast

SMOOTHING_S: Final = 10.0  # time constant with which weights follow their targets
ABSURD: Final = 10.0  # times its usual difference from the baseline: no forecast but a mistake
RESIDUALS: Final = "its own scored residuals"
SURE_ENOUGH: Final = 1.5  # times what is needed: four fifths of an advantage count
TOLD: Final = 0.02  # a weight below this is told as none to speak of


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stated:
    """The parts of the baseline's variance at an instant, s²."""

    variance: float  # by the estimator, its innovations taken into account
    factor: float  # by coverage
    route: float  # constant errors of routes: nothing calibrates them

    def sigma_s(self, variance: float) -> float:
        return math.sqrt(variance * self.factor + self.route)


@dataclass(frozen=True, slots=True)
class _Candidate:
    model: str
    gap_ns: int  # forecast minus the baseline's
    horizon_s: float
    point: bool  # it states no uncertainty of its own
    tamed_ns: int = 0  # as far as it is followed
    ratio: float | None = None  # of its mean square error to the baseline's; None: it has no say
    fault: str = ""  # why it has no say

    @property
    def sigma_from(self) -> str:
        return RESIDUALS + (" (it states none)" if self.point else "")


class Fusion:
    """Follows the skill of models with smooth weights.

    Args:
        method: ``inverse_variance``, ``expert``, ``best`` or ``none`` (the baseline alone).
        skill: measured errors of all models.
    """

    def __init__(self, method: str, skill: Skill) -> None:
        self._method = method
        self._skill = skill
        self._weights: dict[str, float] = {}
        self._raw_ns: int | None = None
        self._tables: dict[int, tuple[int, dict[str, float]]] = {}  # by horizon, with its version

    def weights_at(self, index: int) -> Mapping[str, float]:
        """Return the weight of each model that is proven at a horizon."""
        version = self._skill.version(index)
        weighed, weights = self._tables.get(index, (-1, {}))
        if weighed != version:
            weights = weigh(self._method, self._skill, index, weights)
            self._tables[index] = version, weights
        return weights

    def fuse(
        self, state: ClockState, scale: Scale, raw_ns: int, paths: Mapping[str, PathForecast]
    ) -> Fused:
        """Let the weights move on to an instant and fuse there.

        Args:
            state: the estimator's newest state; its extrapolation is the baseline.
            scale: calibration of its standard uncertainty.
            raw_ns: the instant, not before the state's.
            paths: for each model the forecast that speaks for it.
        """
        base_ns, age_s = state.offset_at(raw_ns), (raw_ns - state.raw_ns) * 1e-9
        candidates = self._candidates(base_ns, age_s, raw_ns, paths)
        self._follow(self._targets(candidates, raw_ns, age_s), raw_ns)
        weights = _shares(candidates, self._weights)
        stated = _Stated(
            variance=max(state.variance_at(raw_ns) - state.var_route, 0.0) * scale.innovations**2,
            factor=scale.horizon**2,
            route=state.var_route,
        )
        baseline = Member(
            model=BASELINE,
            weight=1.0 - sum(weights.values()),
            offset_ns=base_ns,
            sigma_s=stated.sigma_s(stated.variance),
            sigma_from="the estimator, calibrated",
            horizon_s=age_s,
            reason="baseline, always a member",
        )
        others = (self._member(c, base_ns, age_s, weights, stated) for c in candidates)
        gaps = {c.model: c.tamed_ns * 1e-9 for c in candidates}
        ratios = {c.model: c.ratio for c in candidates if c.ratio is not None}
        fused = fused_variance(stated.variance, weights, gaps, ratios)
        return Fused(
            raw_ns=raw_ns,
            offset_ns=base_ns + round(sum(w * gaps[m] for m, w in weights.items()) * 1e9),
            sigma_s=stated.sigma_s(fused),
            members=(baseline, *others),
        )

    def ahead(self, state: ClockState, raw_ns: int, paths: Mapping[str, PathForecast]) -> int:
        """Return the fused UTC - RAW in ns at an instant with the weights as they are."""
        base_ns, age_s = state.offset_at(raw_ns), (raw_ns - state.raw_ns) * 1e-9
        candidates = self._candidates(base_ns, age_s, raw_ns, paths)
        weights = _shares(candidates, self._weights)
        return base_ns + round(sum(weights.get(c.model, 0.0) * c.tamed_ns for c in candidates))

    def _member(
        self,
        candidate: _Candidate,
        base_ns: int,
        age_s: float,
        weights: Mapping[str, float],
        stated: _Stated,
    ) -> Member:
        weight, ratio = weights.get(candidate.model, 0.0), candidate.ratio
        return Member(
            model=candidate.model,
            weight=weight,
            offset_ns=base_ns + candidate.gap_ns,
            sigma_s=math.nan if ratio is None else stated.sigma_s(stated.variance * ratio),
            sigma_from=candidate.sigma_from,
            horizon_s=candidate.horizon_s,
            reason=self._reason(candidate, age_s, weight),
        )

    def _candidates(
        self, base_ns: int, age_s: float, raw_ns: int, paths: Mapping[str, PathForecast]
    ) -> list[_Candidate]:
        return [
            self._candidate(path, raw_ns, base_ns, age_s)
            for model, path in paths.items()
            if model != BASELINE
        ]

    def _candidate(self, path: PathForecast, raw_ns: int, base_ns: int, age_s: float) -> _Candidate:
        gap_s, ratio = gap_of(path, raw_ns, base_ns), self._skill.ratio(path.model, age_s)
        tamed_ns, fault = 0, "its forecast is not finite"
        if gap_s is not None:
            fault = self._fault(path, raw_ns, age_s, proven=ratio is not None)
            if not fault:
                tamed_ns, fault = self._tamed(path.model, gap_s, horizon_index(age_s))
        return _Candidate(
            model=path.model,
            gap_ns=round((gap_s or 0.0) * 1e9),
            horizon_s=path.horizon_s(raw_ns),
            point=math.isnan(path.claimed_sigma_at(raw_ns)),
            tamed_ns=tamed_ns,
            ratio=None if fault else ratio,
            fault=fault,
        )

    def _fault(self, path: PathForecast, raw_ns: int, age_s: float, *, proven: bool) -> str:
        """Why a model has no say; empty if it has one."""
        if not path.covers(raw_ns):
            ended_s = (raw_ns - path.issued_raw_ns - path.reach_ns) * 1e-9
            return f"its forecast ended {ended_s:.0f} s ago"
        if self._skill.is_demoted(path.model):
            return self._skill.why_demoted(path.model)
        if not proven:
            scores = self._skill.scores(path.model, age_s)
            horizon_s = HORIZONS_S[horizon_index(age_s)]
            return (
                f"not proven at {horizon_s:.0f} s: {scores} scored forecasts of "
                f"{self._skill.min_scores} needed"
            )
        return ""

    def _tamed(self, model: str, gap_s: float, index: int) -> tuple[int, str]:
        """A model's gap in ns as far as it is followed; or why it is not followed at all."""
        nearest = self._skill.nearest(model, index)
        evidence = self._skill.evidence(model, nearest) if nearest is not None else None
        if nearest is None or evidence is None:
            return 0, "not proven"
        own = self._skill.own_mean_square(nearest)
        absurd = _absurd(gap_s, math.sqrt(evidence.gap_square_now + own))
        return round(evidence.tamed(gap_s, own) * 1e9), absurd

    def _reason(self, candidate: _Candidate, age_s: float, weight: float) -> str:
        if candidate.ratio is None:
            return candidate.fault
        index = horizon_index(age_s)
        nearest = self._skill.nearest(candidate.model, index)
        verdict = self._skill.verdict(candidate.model, index if nearest is None else nearest)
        if weight <= TOLD:
            verdict = f"not proven better: {verdict}"
        return verdict + self._doubt(candidate.model, index if nearest is None else nearest)

    def _doubt(self, model: str, index: int) -> str:
        """Why a model weighs less than its error suggests; empty where its advantage is sure."""
        evidence = self._skill.evidence(model, index)
        if self._method != "inverse_variance" or evidence is None or evidence.difference >= 0.0:
            return ""
        sure, needed = evidence.proof(DOUBT)
        if sure >= SURE_ENOUGH * needed:
            return ""
        return f"; better by {sure:.1f} standard errors, which count from {needed:.1f} on"

    def _targets(self, candidates: list[_Candidate], raw_ns: int, age_s: float) -> dict[str, float]:
        """Weights of the models that have a say, at an age of the newest measurement.

        Between horizons they are interpolated. Ages shorter than measurements are apart cannot be
        judged: a forecast that knows the newest measurement starts where the estimate does and has
        the weight of the shortest horizon that is judged; for an older one it decreases to nothing.
        """
        place = place_of(age_s)
        below, above = math.floor(place), math.ceil(place)
        while above < len(HORIZONS_S) - 1 and not self._skill.is_judged(above, raw_ns):
            above += 1
        upper, lower, part = self.weights_at(above), None, 1.0
        if below < above and self._skill.is_judged(below, raw_ns):
            lower, part = self.weights_at(below), (place - below) / (above - below)
        older = 1.0 if below == above else min(age_s / HORIZONS_S[above], 1.0)

        def target(candidate: _Candidate) -> float:
            longer = upper.get(candidate.model, 0.0)
            if lower is not None:
                return lower.get(candidate.model, 0.0) * (1.0 - part) + longer * part
            return longer if candidate.horizon_s <= age_s + 1e-6 else longer * older

        return {c.model: target(c) for c in candidates if c.ratio is not None}

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


def _absurd(gap_s: float, usual_s: float) -> str:
    """Say so if a forecast is too far from the baseline to be one; else nothing."""
    if abs(gap_s) <= ABSURD * usual_s:
        return ""
    return f"set aside: {gap_s * 1e6:+.3g} us from {BASELINE}, usually {usual_s * 1e6:.3g} us"


def _shares(candidates: list[_Candidate], weights: Mapping[str, float]) -> dict[str, float]:
    """Weights of the models that have a say; what the others lose is the baseline's."""
    return {c.model: weights.get(c.model, 0.0) for c in candidates if c.ratio is not None}
