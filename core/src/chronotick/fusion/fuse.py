"""The fused path: every model's forecast with the weight it has proven at that horizon.

All members saw the same measurements, so their errors are correlated and averaging them does not
make the result better than the best: the fused sigma is never below the best member's, and where
the members disagree, their spread comes on top.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from chronotick.clock.state import ClockState
from chronotick.fusion.horizons import HORIZONS_S, horizon_index, place_of
from chronotick.fusion.skill import BASELINE, Skill
from chronotick.fusion.weighing import weigh
from chronotick.models.forecast import PathForecast

SMOOTHING_S: Final = 10.0  # time constant with which weights follow their targets
MINOR: Final = 0.05  # members of less weight do not speak for the uncertainty
ABSURD: Final = 10.0  # times its usual difference from the baseline: no forecast but a mistake
RESIDUALS: Final = "its own scored residuals"
TOLD: Final = 0.02  # a weight below this is told as none to speak of


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One model's part in the served time.

    Attributes:
        model: its name.
        weight: share of it, 0 to 1.
        offset_ns: UTC - RAW it forecasts for the instant.
        sigma_s: its standard uncertainty there. The baseline's is the estimator's, calibrated; a
            model's, point model or not, is measured by its own scored residuals. NaN: not proven.
        sigma_from: where that comes from, in words.
        horizon_s: time since the newest measurement it knew.
        reason: why it has that weight, in words.
    """

    model: str
    weight: float
    offset_ns: int
    sigma_s: float
    sigma_from: str
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """What the estimator's standard uncertainty is multiplied by.

    Attributes:
        innovations: by its one-step innovations.
        horizon: by the measured coverage of fused forecasts as old as this one.
    """

    innovations: float = 1.0
    horizon: float = 1.0


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
        self._tables: dict[int, dict[str, float]] = {}  # by horizon, until something is learnt
        self._stale: dict[int, dict[str, float]] = {}  # as they were before

    def learnt(self) -> None:
        """Weigh anew: the skill of models has changed."""
        self._stale.update(self._tables)
        self._tables.clear()

    def weights_at(self, index: int) -> Mapping[str, float]:
        """Return the weight of each model that is proven at a horizon."""
        table = self._tables.get(index)
        if table is None:
            before = self._stale.get(index, {})
            table = self._tables[index] = weigh(self._method, self._skill, index, before)
        return table

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
        targets = {
            c.model: self._target(c.model, raw_ns, age_s, fresh=c.horizon_s <= age_s + 1e-6)
            for c in candidates
            if c.ratio is not None
        }
        self._follow(targets, raw_ns)
        weights = _shares(candidates, self._weights)
        variance = max(state.variance_at(raw_ns) - state.var_route, 0.0) * scale.innovations**2
        factor = scale.horizon**2
        members = (
            Member(
                model=BASELINE,
                weight=1.0 - sum(weights.values()),
                offset_ns=base_ns,
                sigma_s=math.sqrt(variance * factor + state.var_route),
                sigma_from="the estimator, calibrated",
                horizon_s=age_s,
                reason="baseline, always a member",
            ),
            *(
                Member(
                    model=c.model,
                    weight=weights.get(c.model, 0.0),
                    offset_ns=base_ns + c.gap_ns,
                    sigma_s=math.nan
                    if c.ratio is None
                    else math.sqrt(variance * c.ratio * factor + state.var_route),
                    sigma_from=c.sigma_from,
                    horizon_s=c.horizon_s,
                    reason=self._reason(c, age_s, weights.get(c.model, 0.0)),
                )
                for c in candidates
            ),
        )
        gaps = {c.model: c.tamed_ns * 1e-9 for c in candidates}
        ratios = {c.model: c.ratio for c in candidates if c.ratio is not None}
        fused = fused_variance(variance, weights, gaps, ratios)
        return Fused(
            raw_ns=raw_ns,
            offset_ns=base_ns + round(sum(w * gaps[m] for m, w in weights.items()) * 1e9),
            sigma_s=math.sqrt(fused * factor + state.var_route),
            members=members,
        )

    def ahead(self, state: ClockState, raw_ns: int, paths: Mapping[str, PathForecast]) -> int:
        """Return the fused UTC - RAW in ns at an instant with the weights as they are."""
        base_ns, age_s = state.offset_at(raw_ns), (raw_ns - state.raw_ns) * 1e-9
        candidates = self._candidates(base_ns, age_s, raw_ns, paths)
        weights = _shares(candidates, self._weights)
        return base_ns + round(sum(weights.get(c.model, 0.0) * c.tamed_ns for c in candidates))

    def _candidates(
        self, base_ns: int, age_s: float, raw_ns: int, paths: Mapping[str, PathForecast]
    ) -> list[_Candidate]:
        return [
            self._candidate(path, raw_ns, base_ns, age_s)
            for model, path in paths.items()
            if model != BASELINE
        ]

    def _candidate(self, path: PathForecast, raw_ns: int, base_ns: int, age_s: float) -> _Candidate:
        gap_s = gap_of(path, raw_ns, base_ns)
        ratio, tamed_ns, fault = None, 0, "its forecast is not finite"
        if gap_s is not None:
            fault = self._fault(path, raw_ns, age_s)
            if not fault:
                ratio = self._skill.ratio(path.model, age_s)
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

    def _fault(self, path: PathForecast, raw_ns: int, age_s: float) -> str:
        """Why a model has no say; empty if it has one."""
        if not path.covers(raw_ns):
            ended_s = (raw_ns - path.issued_raw_ns - path.reach_ns) * 1e-9
            return f"its forecast ended {ended_s:.0f} s ago"
        if self._skill.is_demoted(path.model):
            return self._skill.why_demoted(path.model)
        if self._skill.ratio(path.model, age_s) is None:
            scores = self._skill.scores(path.model, age_s)
            return f"not proven at {age_s:.0f} s: {scores} scored forecasts"
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
        return verdict if weight > TOLD else f"not proven better: {verdict}"

    def _target(self, model: str, raw_ns: int, age_s: float, *, fresh: bool) -> float:
        """Weight of a model at an age of the newest measurement.

        Between horizons it is interpolated. Ages shorter than measurements are apart cannot be
        judged: a forecast that knows the newest measurement starts where the estimate does and has
        the weight of the shortest horizon that is judged; for an older one it decreases to nothing.
        """
        place = place_of(age_s)
        below, above = math.floor(place), math.ceil(place)
        while above < len(HORIZONS_S) - 1 and not self._skill.is_judged(above, raw_ns):
            above += 1
        upper = self.weights_at(above).get(model, 0.0)
        if below == above:
            return upper
        if self._skill.is_judged(below, raw_ns):
            part = (place - below) / (above - below)
            return self.weights_at(below).get(model, 0.0) * (1.0 - part) + upper * part
        return upper * (1.0 if fresh else min(age_s / HORIZONS_S[above], 1.0))

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


def gap_of(path: PathForecast, raw_ns: int, base_ns: int) -> float | None:
    """How far a forecast lies beyond the baseline, s; ``None`` if it is not finite."""
    try:
        return (path.offset_at(raw_ns) - base_ns) * 1e-9
    except (ValueError, OverflowError):  # rounding NaN or infinity
        return None


def speaker(by_loop: Iterable[PathForecast], raw_ns: int) -> PathForecast:
    """Which of a model's forecasts speaks for it at an instant.

    The short-term forecast while it reaches, else the one that reaches furthest.
    """
    paths = list(by_loop)
    covering = [path for path in paths if path.covers(raw_ns)]
    if covering:
        return min(covering, key=lambda path: path.step_ns)
    return max(paths, key=lambda path: path.issued_raw_ns + path.reach_ns)


def fused_variance(
    variance: float,
    weights: Mapping[str, float],
    gaps: Mapping[str, float],
    ratios: Mapping[str, float],
) -> float:
    """Variance of the fused forecast in s²: that of the best member, and the members' spread.

    Args:
        variance: the baseline's.
        weights: of the models; the baseline has the rest.
        gaps: of the models from the baseline, s.
        ratios: of their variances to the baseline's.
    """
    rest = 1.0 - sum(weights.values())
    heavy = min(MINOR, max([rest, *weights.values()]))
    speaking = [ratios[model] for model, weight in weights.items() if weight >= heavy]
    best = min([*speaking, 1.0] if rest >= heavy else speaking)
    mean = sum(w * gaps[m] for m, w in weights.items())
    spread = rest * mean**2 + sum(w * (gaps[m] - mean) ** 2 for m, w in weights.items())
    return variance * best + spread


def _absurd(gap_s: float, usual_s: float) -> str:
    """Say so if a forecast is too far from the baseline to be one; else nothing."""
    if abs(gap_s) <= ABSURD * usual_s:
        return ""
    return f"set aside: {gap_s * 1e6:+.3g} us from {BASELINE}, usually {usual_s * 1e6:.3g} us"


def _shares(candidates: list[_Candidate], weights: Mapping[str, float]) -> dict[str, float]:
    """Weights of the models that have a say; what the others lose is the baseline's."""
    return {c.model: weights.get(c.model, 0.0) for c in candidates if c.ratio is not None}
