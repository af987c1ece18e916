"""What each model has been worth on this host, by horizon, kept across restarts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from chronotick.fusion.baseline import OwnError
from chronotick.fusion.demotion import Demotions
from chronotick.fusion.evidence import Evidence
from chronotick.fusion.expert import Experts
from chronotick.fusion.horizons import HORIZONS_S, horizon_index, known_index
from chronotick.fusion.judged import Judged
from chronotick.fusion.likeness import Likeness
from chronotick.fusion.ratios import LEAST_RATIO, Ratios, measured_ratio
from chronotick.fusion.residuals import Residuals, Shape

BASELINE: Final = "kalman"
CLEARLY: Final = 3.0  # standard errors by which a model is worse beyond doubt
MATTERS: Final = 0.2  # of the baseline's mean square error: less of a difference is none
LATELY_S: Final = 3600.0
HUBER: Final = 5.0  # sigma beyond which a residual says no more, of the model and of the baseline
SNAPSHOT_VERSION: Final = 2


class Skill:
    """Errors of every model at every horizon, against those of the estimator.

    Args:
        min_scores: scores at a horizon before a model counts as proven there.
        experts: learns weights by expert aggregation as well, for the method ``expert``.
    """

    def __init__(self, min_scores: int, *, experts: bool = False) -> None:
        self.min_scores = min_scores
        self.experts = Experts() if experts else None
        self._own = [OwnError() for _ in HORIZONS_S]
        self._own_squares = [0.0] * len(HORIZONS_S)
        self._evidence: dict[str, dict[int, Evidence]] = {}
        self._shapes: dict[str, dict[int, Shape]] = {}
        self._likeness = Likeness()
        self._demotions = Demotions()
        self._last_ns: dict[int, int] = {}  # of the newest judgement at a horizon
        self._inherited: frozenset[int] = frozenset()  # horizons judged before a restart
        self._since_ns: int | None = None  # of the first judgement after it
        self._versions = [0] * len(HORIZONS_S)
        self._ratios = Ratios(self._ratio)
        self._verdicts: list[dict[str, str]] = [{} for _ in HORIZONS_S]
        self._nearest: dict[tuple[str, int], int | None] = {}

    def judge(
        self,
        raw_ns: int,
        horizon_s: float,
        residual_s: float,
        noise_variance: float,
        expected: float,
    ) -> Judged:
        """Put a measurement into proportion.

        Args:
            raw_ns: when it was made.
            horizon_s: how far the estimator's forecast reached.
            residual_s: measured offset (its expected error taken off) minus that forecast, s.
            noise_variance: of the measurement, s².
            expected: the variance that the estimator stated for the forecast, s².
        """
        index = horizon_index(horizon_s)
        passed_s = (raw_ns - self._last_ns.get(index, 0)) * 1e-9
        # Whatever is larger: the estimator knows when it knows little, and may be vain.
        variance = max(max(self._own_squares[index], expected) + noise_variance, 1e-24)
        furthest = HUBER * math.sqrt(variance)
        return Judged(
            raw_ns=raw_ns,
            index=index,
            horizon_s=horizon_s,
            residual_s=max(-furthest, min(furthest, residual_s)),
            noise_variance=noise_variance,
            expected=expected,
            variance=variance,
            independent=min(1.0, max(passed_s, 0.0) / (HORIZONS_S[index] / 2)),
        )

    def take(self, judged: Judged, gaps: Mapping[str, float]) -> None:
        """Learn from one judgement.

        Args:
            judged: of the estimator, by :meth:`judge`.
            gaps: what each model forecast beyond the estimator, s; finite.
        """
        index = judged.index
        self._last_ns[index] = judged.raw_ns
        if self._since_ns is None:
            self._since_ns = judged.raw_ns
        for model, gap_s in gaps.items():
            evidence = self._evidence.setdefault(model, {}).setdefault(index, Evidence())
            changed = evidence.add(judged, gap_s)
            if changed and self.experts is not None:
                self.experts.forget(index, model, worse=changed > 0)
            self._reshape(model, judged, judged.residual_s - gap_s)
        self._reshape(BASELINE, judged, judged.residual_s)
        self._likeness.add(judged, gaps)
        if self.experts is not None:
            self.experts.add(judged, self.tamed(gaps, index))
        self._own[index].add(
            judged.residual_s, judged.noise_variance, judged.expected, judged.independent
        )
        self._own_squares[index] = self._own[index].mean_square
        self._conclude_anew(index)
        if self._demotions.review(judged.raw_ns, self):
            self._conclude_anew(*range(len(HORIZONS_S)))

    @property
    def models(self) -> list[str]:
        """Every model that was ever scored, the baseline left out."""
        return list(self._evidence)

    @property
    def demoted(self) -> Mapping[str, str]:
        """The models that have no weight because they are clearly worse, and why."""
        return {model: self.why_demoted(model) for model in self._demotions.worst}

    def is_demoted(self, model: str) -> bool:
        """Whether a model has no weight because it is clearly worse at all its horizons."""
        return model in self._demotions.worst

    def why_demoted(self, model: str) -> str:
        """Why a demoted model is, in words."""
        return f"demoted: {self.verdict(model, self._demotions.worst[model])}"

    def is_judged(self, index: int, raw_ns: int) -> bool:
        """Whether forecasts to a horizon are judged these days; short ones need frequent polls.

        After a restart those that were judged before it are taken to be, until that is known.
        """
        last_ns = self._last_ns.get(index)
        if last_ns is None and index in self._inherited:
            last_ns = raw_ns if self._since_ns is None else self._since_ns
        lately_s = max(LATELY_S, 16.0 * HORIZONS_S[index])
        return last_ns is not None and raw_ns - last_ns <= lately_s * 1e9

    def version(self, index: int) -> int:
        """A number that changes whenever something is learnt that weights at a horizon go by."""
        return self._versions[index]

    def evidence(self, model: str, index: int) -> Evidence | None:
        """What is known of a model at a horizon; ``None`` if it is not proven there."""
        evidence = self._evidence.get(model, {}).get(index)
        if evidence is None or evidence.count < self.min_scores - 0.5:
            return None
        return evidence

    def clearly_worse(self, model: str, index: int) -> bool:
        """Whether a model is worse than the baseline at a horizon, beyond doubt."""
        evidence = self.evidence(model, index)
        return (
            evidence is not None
            and evidence.difference > MATTERS * self.own_mean_square(index)
            and evidence.worse_by > CLEARLY
        )

    def tamed(self, gaps: Mapping[str, float], index: int) -> dict[str, float]:
        """Return gaps from the estimator as far as they are followed at a horizon, s."""
        own = self._own_squares[index]
        known = {m: self._evidence.get(m, {}).get(index) for m in gaps}
        return {m: e.tamed(gaps[m], own) for m, e in known.items() if e is not None}

    def alike(self, index: int, one: str, other: str) -> float:
        """Correlation of two models' differences from the estimator; 0 if not known."""
        return self._likeness.of(index, one, other)

    def own_mean_square(self, index: int) -> float:
        """Mean square error of the baseline at a horizon, s²; 0 if nothing is known."""
        return self._own_squares[index]

    def scores(self, model: str, horizon_s: float) -> int:
        """How many scores the model has at the horizon (old ones forgotten)."""
        return self._scores(model, horizon_index(horizon_s))

    def ratio(self, model: str, horizon_s: float) -> float | None:
        """Mean square error of a model over the baseline's; ``None`` where it is not proven.

        Below 1 only as far as that is sure.

        Between two proven horizons it is interpolated by their ratio; below the lowest it holds.
        """
        return self._ratios.of(model, horizon_s)

    def rms_s(self, model: str, index: int) -> float:
        """Root mean square error of a model at a horizon, s; NaN if it was never judged there."""
        own = self._own_squares[index]
        if model == BASELINE:
            return math.sqrt(own) if own else math.nan
        evidence = self._evidence.get(model, {}).get(index)
        if evidence is None or not evidence.count:
            return math.nan
        return math.sqrt(max(own + evidence.difference, LEAST_RATIO * own))

    def rms_told(self, model: str, index: int) -> bool:
        """Whether a model's error is measured; if not, it sits at the least that is assumed."""
        if model == BASELINE:
            return True
        evidence, own = self._evidence.get(model, {}).get(index), self._own_squares[index]
        return evidence is not None and own + evidence.difference > LEAST_RATIO * own

    def residuals(self, model: str) -> list[Residuals]:
        """Measured errors of a model at each horizon, growing with it; empty if never judged."""
        rows: list[Residuals] = []
        for index, shape in sorted(self._shapes.get(model, {}).items()):
            rms_s = self.rms_s(model, index)
            if not math.isfinite(rms_s):
                continue
            half_80, half_95 = (half * rms_s for half in shape.half_widths())
            before = rows[-1] if rows else None
            rows.append(
                Residuals(
                    horizon_s=HORIZONS_S[index],
                    scores=self._scores(model, index),
                    rms_s=rms_s,
                    rms_told=self.rms_told(model, index),
                    half_80_s=max(half_80, before.half_80_s if before else 0.0),
                    half_95_s=max(half_95, before.half_95_s if before else 0.0),
                )
            )
        return rows

    def verdict(self, model: str, index: int) -> str:
        """A model's record at a horizon, in words."""
        verdicts = self._verdicts[index]
        if model not in verdicts:
            own_us, its_us = self.rms_s(BASELINE, index) * 1e6, self.rms_s(model, index) * 1e6
            size = f"{its_us:.3g} us" if self.rms_told(model, index) else "not told from zero,"
            verdicts[model] = (
                f"rms {size} against {BASELINE}'s {own_us:.3g} us at "
                f"{HORIZONS_S[index]:.0f} s in {self._scores(model, index)} forecasts"
                if math.isfinite(its_us)
                else f"it has changed, and is not judged anew at {HORIZONS_S[index]:.0f} s yet"
            )
        return verdicts[model]

    def nearest(self, model: str, index: int) -> int | None:
        """The horizon nearest to one at which a model is proven, the longer of two; or ``None``."""
        key = model, index
        if key not in self._nearest:
            proven = [n for n in range(len(HORIZONS_S)) if self.evidence(model, n) is not None]
            near = min(proven, key=lambda n: (abs(n - index), -n), default=None)
            self._nearest[key] = near
        return self._nearest[key]

    def table(self) -> list[dict[str, Any]]:
        """Rows of model, horizon, scores, rms error and quantiles, for status reports."""
        return [
            {"model": model, **asdict(row)}
            for model in sorted(self._shapes)
            for row in self.residuals(model)
        ]

    def snapshot(self) -> dict[str, Any]:
        """Return everything as JSON types."""
        return {
            "version": SNAPSHOT_VERSION,
            "own": [own.as_list() for own in self._own],
            "evidence": _flat(self._evidence),
            "shapes": _flat(self._shapes),
            "alike": self._likeness.snapshot(),
            "demoted": dict(self._demotions.worst),
            "judged": self._judged_lately(),
            "experts": self.experts.snapshot() if self.experts else None,
        }

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Take up a snapshot; on failure nothing is changed. An empty one is that of a new host.

        Raises:
            ValueError: it is damaged or of another version.
        """
        if not snapshot:
            return
        if snapshot.get("version") != SNAPSHOT_VERSION:
            raise ValueError("the saved scores are of another version")
        try:
            own = [OwnError.from_list(sums) for sums in snapshot["own"]]
            evidence = {m: _indexed(rows, Evidence) for m, rows in snapshot["evidence"].items()}
            shapes = {m: _indexed(rows, Shape) for m, rows in snapshot["shapes"].items()}
            likeness = Likeness.restored(snapshot["alike"])
            demoted = {str(model): known_index(at) for model, at in snapshot["demoted"].items()}
            inherited = frozenset(map(known_index, snapshot.get("judged", ())))
            experts = _restored_experts(self.experts, snapshot["experts"])
            own_squares = [each.mean_square for each in own]
            if len(own) != len(HORIZONS_S) or not all(map(math.isfinite, own_squares)):
                raise ValueError("no errors")  # noqa: TRY301 - one kind of damage of many
        except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError) as error:
            raise ValueError(f"the saved scores are damaged: {error!r}") from error
        self._own, self._evidence, self._shapes = own, evidence, shapes
        self._likeness, self._demotions, self.experts = likeness, Demotions(demoted), experts
        self._own_squares = own_squares
        self._inherited = inherited
        self._last_ns.clear()
        self._since_ns = None
        self._conclude_anew(*range(len(HORIZONS_S)))

    def _judged_lately(self) -> list[int]:
        """The horizons that were judged not long before the newest judgement."""
        now_ns = max(self._last_ns.values(), default=0)
        return [index for index in range(len(HORIZONS_S)) if self.is_judged(index, now_ns)]

    def _scores(self, model: str, index: int) -> int:
        if model == BASELINE:
            return round(self._own[index].count)
        evidence = self._evidence.get(model, {}).get(index)
        return round(evidence.count) if evidence else 0

    def _ratio(self, model: str, index: int) -> float | None:
        evidence, own = self.evidence(model, index), self._own_squares[index]
        return None if evidence is None or not own else measured_ratio(evidence, own)

    def _conclude_anew(self, *indices: int) -> None:
        """Drop what was concluded from what was known at horizons."""
        for index in indices:
            self._ratios.forget(index)
            self._verdicts[index].clear()
            self._versions[index] += 1
        self._nearest.clear()

    def _reshape(self, model: str, judged: Judged, error_s: float) -> None:
        own = self._own_squares[judged.index] or judged.expected
        if model != BASELINE:
            own = max(own + self._evidence[model][judged.index].difference, LEAST_RATIO * own)
        variance = max(own + judged.noise_variance, 1e-24)
        shape = self._shapes.setdefault(model, {}).setdefault(judged.index, Shape())
        shape.add(error_s / math.sqrt(variance), own / variance, judged.independent)


def _flat(by_model: Mapping[str, Mapping[int, Any]]) -> dict[str, dict[str, list[float]]]:
    return {
        model: {str(index): each.as_list() for index, each in rows.items()}
        for model, rows in by_model.items()
    }


def _indexed(rows: Mapping[str, Any], kind: type[Any]) -> dict[int, Any]:
    return {known_index(index): kind.from_list(numbers) for index, numbers in rows.items()}


def _restored_experts(now: Experts | None, saved: Any) -> Experts | None:  # noqa: ANN401 - any JSON type
    """Those of the snapshot where they are wanted and there; a change of method starts anew."""
    if now is None or saved is None:
        return Experts() if now is not None else None
    return Experts.restored(saved)
