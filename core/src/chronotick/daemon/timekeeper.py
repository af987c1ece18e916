"""The synchronous heart of the daemon: measurements and forecasts in, the time out.

No sockets, no clocks, no event loop: whoever drives it says what time it is. The daemon drives it
with the host's clocks, a replay with recorded ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any

from chronotick.clock import (
    ClockState,
    ContextWindow,
    Estimator,
    HardBound,
    Innovation,
    KalmanBank,
    Samples,
    bank_options,
)
from chronotick.config.schema import Config, Predictor
from chronotick.fusion import (
    Calibration,
    Coverage,
    Fused,
    Fusion,
    Judgement,
    Scale,
    Score,
    Scorer,
    Skill,
    fused_variance,
    speaker,
)
from chronotick.models.forecast import PathForecast
from chronotick.ntp.measurement import Measurement
from chronotick.shm.layout import Flags

REMEMBERED = 8192  # measurements kept for contexts
REPLAYED = 128  # of them, how many a rebuilt estimator is fed with
_LEAPS = {1: Flags.LEAP_INSERT, 2: Flags.LEAP_DELETE}
GONE_AFTER_NS = 6 * 3600 * 1_000_000_000
GROWTH_SPAN_S = 64.0  # over which the wander is taken into the growth of sigma
LOOK_AHEAD_NS = 1_000_000_000  # over which the rates of a target are taken


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where served time ought to be, and how wrong that can be.

    Attributes:
        raw_ns: the instant.
        offset_ns: UTC - RAW at it.
        rate: d(UTC - RAW)/d(RAW).
        sigma_ns, sigma_rate: calibrated standard uncertainty and its growth (s/s).
        low_ns, high_ns: hard limits of UTC - RAW at the instant.
        low_rate, high_rate: how the limits move.
        fused: the members behind it.
    """

    raw_ns: int
    offset_ns: int
    rate: float
    sigma_ns: int
    sigma_rate: float
    low_ns: int
    high_ns: int
    low_rate: float
    high_rate: float
    fused: Fused


class Timekeeper:
    """Estimator, bound, scores and fusion of one clock.

    Args:
        config: the configuration.
        new_estimator: makes its estimators; the bank of the configuration if ``None``.
    """

    def __init__(
        self, config: Config, new_estimator: Callable[[], Estimator] | None = None
    ) -> None:
        self._config = config
        self._new_estimator = new_estimator or self._bank
        method = config.fusion.method.removesuffix("_weighting")
        method = method if config.fusion.enabled else "none"
        self.skill = Skill(config.fusion.min_scores, experts=method == "expert")
        self.calibration = Calibration()
        self.coverage = Coverage()
        self.bound = HardBound(
            config.clock.max_drift_ppm * 1e-6,
            config.clock.max_frequency_error_ppm * 1e-6,
            config.clock_measurement.ntp.max_falsetickers,
        )
        self._fusion = Fusion(method, self.skill)
        self._scorer = Scorer()
        self._estimator = self._new_estimator()
        self._newest_state: ClockState | None = None  # at the newest measurement
        self._widest_ns = 0  # sigma since the newest measurement: it never shrinks with age
        self._samples = Samples(REMEMBERED)
        self._newest: dict[str, Measurement] = {}  # of each source in the estimate
        self._paths: dict[str, dict[str, PathForecast]] = {}
        self._halfway = False  # a measurement was begun and not ended
        self.accepted = 0
        self.judging = True  # off while warming up: those forecasts say nothing of a model's worth
        self.generation = 0  # forecasts from an earlier one are about another clock

    @property
    def newest_raw_ns(self) -> int | None:
        """RAW time of the newest measurement in the estimate."""
        return self._estimator.newest_raw_ns

    @property
    def contributors(self) -> frozenset[str]:
        """Sources whose measurements are in the estimate."""
        return frozenset(self._newest)

    def measure(self, measurement: Measurement) -> tuple[Innovation, list[Score]]:
        """Take a measurement of a believed source: score forecasts by it, then learn from it.

        An exception on the way (no memory) leaves half of a step in the estimate. It is made anew,
        from the measurements before, when it is used next.
        """
        self._mend()
        self._halfway = True
        judgements, known = self._judge(measurement), self._newest_state is not None
        innovation = self._estimator.update(measurement)
        if not innovation.outlier:  # what is not believed judges nobody
            self._learn(measurement.raw_ns, judgements)
        if known:  # else nothing was expected of it
            self.calibration.add(innovation)
        if innovation.reacquired:  # what was measured before is about another clock
            self.bound.forget()
            self._samples.clear()
        self.take_limits(measurement)
        self._keep(measurement)
        self._drop_gone(measurement.raw_ns)
        self._move_on()
        self.accepted += 1
        if innovation.reacquired:
            self._scorer.outdate()
            self._drop_forecasts()
        self._halfway = False
        current = [judgement for judgement in judgements if not judgement.era.outdated]
        return innovation, [score for judgement in current for score in judgement.scores]

    def take_limits(self, measurement: Measurement) -> None:
        """Take only what a measurement of a source that is not believed says of the bound."""
        self.bound.update(measurement, self._estimator.state(measurement.raw_ns))
        self.bound.drop_before(measurement.raw_ns - GONE_AFTER_NS)

    def disbelieve(self, sources: Collection[str]) -> None:
        """Rebuild the estimate without the measurements of sources that turned out to lie."""
        self._samples.drop(sources)
        self._newest = {s: m for s, m in self._newest.items() if s not in sources}
        self._estimator = self._new_estimator()
        for measurement in list(self._samples)[-REPLAYED:]:
            self._estimator.update(measurement)
        self._move_on()
        self._scorer.forget()
        self._drop_forecasts()

    def remember(self, measurements: Iterable[Measurement]) -> None:
        """Put earlier measurements of this boot into the contexts, without learning from them."""
        for measurement in measurements:
            self._keep(measurement)

    def disrupt(self) -> None:
        """Forget the clock: what was measured before says nothing of it any more."""
        self._estimator = self._new_estimator()
        self.bound.forget()
        self._samples.clear()
        self._newest.clear()
        self._move_on()
        self._scorer.forget()
        self._drop_forecasts()

    def forecast(self, path: PathForecast) -> None:
        """Take a model's forecast."""
        if self.judging:
            self._scorer.add(path)
        self._paths.setdefault(path.model, {})[path.predictor] = path

    def state(self, raw_ns: int) -> ClockState | None:
        """Return the estimator's state; ``None`` before the first measurement."""
        return self._estimator.state(raw_ns)

    def window(self, predictor: Predictor, raw_ns: int) -> ContextWindow | None:
        """Return the context of a prediction loop; ``None`` before the first measurement."""
        trend = self._estimator.state(raw_ns)
        if trend is None:
            return None
        return self._samples.window(trend, round(predictor.step * 1e9), predictor.context_length)

    def said_of(self, measurement: Measurement) -> tuple[float, float]:
        """Noise and expected error in s of a measurement, as the estimator sees it now."""
        noise_s = self._estimator.noise_s(measurement)
        return noise_s, self._estimator.expected_error_s(measurement)

    def target(self, raw_ns: int) -> Target | None:
        """Return where time should be at an instant; ``None`` before the first measurement."""
        self._mend()
        state, now, limits = self._newest_state, self.fused(raw_ns), self.bound.at(raw_ns)
        if state is None or now is None or limits is None:
            return None
        scale, soon_ns = self._scale(state, raw_ns), raw_ns + LOOK_AHEAD_NS
        soon_offset_ns = self._fusion.ahead(state, soon_ns, self._speakers(soon_ns))
        self._widest_ns = max(self._widest_ns, round(now.sigma_s * 1e9))
        return Target(
            raw_ns=raw_ns,
            offset_ns=now.offset_ns,
            rate=(soon_offset_ns - now.offset_ns) / LOOK_AHEAD_NS,
            sigma_ns=self._widest_ns,
            sigma_rate=self._sigma_growth(state) * scale.innovations * scale.horizon,
            low_ns=limits.low_ns,
            high_ns=limits.high_ns,
            low_rate=limits.low_rate,
            high_rate=limits.high_rate,
            fused=now,
        )

    def fused(self, raw_ns: int) -> Fused | None:
        """Return the fused estimate of an instant; ``None`` before the first measurement."""
        state = self._newest_state
        if state is None:
            return None
        # From the state at the newest measurement: its age is the baseline's horizon.
        return self._fusion.fuse(state, self._scale(state, raw_ns), raw_ns, self._speakers(raw_ns))

    def leap_flags(self, sources: Collection[str]) -> Flags:
        """Return what most of the given sources announced last, and whether all authenticate."""
        newest = [m for source, m in self._newest.items() if source in sources]
        flags = Flags(0)
        for leap, flag in _LEAPS.items():
            if 2 * sum(m.leap == leap for m in newest) > len(newest):
                flags |= flag
        if newest and all(m.authenticated for m in newest):
            flags |= Flags.AUTHENTICATED
        return flags

    def snapshot(self) -> dict[str, Any]:
        """Return what a restart on the same boot goes on with, as JSON types."""
        return {
            "estimator": self._estimator.snapshot(),
            "bound": self.bound.snapshot(),
            "calibration": self.calibration.snapshot(),
            "coverage": self.coverage.snapshot(),
        }

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Take up a snapshot; on failure nothing is changed.

        Raises:
            ValueError: it is damaged or of another version.
        """
        estimator, calibration, coverage = self._new_estimator(), Calibration(), Coverage()
        try:
            estimator.restore(snapshot["estimator"])
            calibration.restore(snapshot["calibration"])
            coverage.restore(snapshot["coverage"])
            self.bound.restore(snapshot["bound"])
        except (KeyError, TypeError, AttributeError, ArithmeticError) as error:
            raise ValueError(f"the saved state is damaged: {error!r}") from error
        self._estimator, self.calibration, self.coverage = estimator, calibration, coverage
        self._move_on()

    def _mend(self) -> None:
        if self._halfway:
            self.disbelieve(())
            self._halfway = False

    def _judge(self, measurement: Measurement) -> list[Judgement]:
        """End the era before a measurement, and judge what was forecast by the measurement."""
        state = self._newest_state
        if self.judging and state is not None:
            weights = {index: self._fusion.weights_at(index) for index in self._scorer.due(state)}
            self._scorer.close(state, weights, self.calibration.factor)
        noise_variance = self._estimator.noise_s(measurement) ** 2
        expected_error_s = self._estimator.expected_error_s(measurement)
        return self._scorer.judge(measurement, noise_variance, expected_error_s)

    def _learn(self, raw_ns: int, judgements: Iterable[Judgement]) -> None:
        for each in judgements:
            horizon_s, gaps = each.horizon_s, self.skill.tamed(each.gaps, each.index)
            weights = {model: w for model, w in each.era.weights.items() if model in gaps}
            ratios = {model: self.skill.ratio(model, horizon_s) or 1.0 for model in weights}
            fused_s = sum(weight * gaps[model] for model, weight in weights.items())
            variance = fused_variance(each.expected, weights, gaps, ratios)
            error_s, noise = each.residual_s - fused_s, each.noise_variance
            self.coverage.add(raw_ns, each.index, error_s, variance, noise)
            if each.era.outdated:
                continue
            judged = self.skill.judge(raw_ns, horizon_s, each.residual_s, noise, each.expected)
            self.skill.take(judged, each.gaps)

    def _move_on(self) -> None:
        """Look at the clock anew: the estimate has changed."""
        newest_raw_ns = self._estimator.newest_raw_ns
        at = None if newest_raw_ns is None else self._estimator.state(newest_raw_ns)
        self._newest_state, self._widest_ns = at, 0

    def _scale(self, state: ClockState, raw_ns: int) -> Scale:
        age_s = (raw_ns - state.raw_ns) * 1e-9
        return Scale(innovations=self.calibration.factor, horizon=self.coverage.factor(age_s))

    def _keep(self, measurement: Measurement) -> None:
        self._samples.add(measurement, *self.said_of(measurement))
        self._newest[measurement.source] = measurement

    def _drop_gone(self, raw_ns: int) -> None:
        """Forget sources not heard of for hours: pools replace theirs again and again."""
        gone = [s for s, m in self._newest.items() if raw_ns - m.raw_ns > GONE_AFTER_NS]
        for source in gone:
            del self._newest[source]
            self._estimator.drop(source)

    def _bank(self) -> Estimator:
        return KalmanBank(bank_options(self._config.clock))

    def _sigma_growth(self, state: ClockState) -> float:
        """How fast the uncertainty of an extrapolated line grows (s/s).

        The frequency's own uncertainty, and what it wanders until the next polls. The growth of
        the fused sigma over a second says less: it is flat where measured errors are.
        """
        variance = state.var_frequency + state.wander_psd * GROWTH_SPAN_S / 3
        return math.sqrt(variance)

    def _speakers(self, raw_ns: int) -> dict[str, PathForecast]:
        by_model = self._paths.items()
        return {model: speaker(by_loop.values(), raw_ns) for model, by_loop in by_model}

    def _drop_forecasts(self) -> None:
        self.generation += 1
        self._paths.clear()
