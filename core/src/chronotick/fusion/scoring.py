"""Forecasts wait here for the measurement that judges them.

Between two measurements the daemon knows one thing: an *era*. Its forecasts are the estimator's
state at the era's beginning and the newest path of every model at its end, which is what would have
been served had no measurement come after it. Each later measurement judges one era per horizon, all
models together and against the estimator.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from chronotick.clock.state import ClockState
from chronotick.fusion.horizons import HORIZONS_S, horizon_index
from chronotick.fusion.paths import gap_of, speaker
from chronotick.fusion.skill import BASELINE
from chronotick.models.forecast import PathForecast
from chronotick.ntp.measurement import Measurement

SPACING: Final = 0.25  # of a horizon between the eras that wait for it
RATHER: Final = 1 / 32  # of a horizon between two judgements: more are about the same error
LATEST: Final = 2.0  # times a horizon after which an era is judged for it no more


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One forecast, judged by one measurement made after it.

    Attributes:
        path: the forecast.
        measurement: its judge.
        horizon_s: time between the newest measurement the forecast knew and its judge.
        error_s: measured offset (its expected error taken off) minus forecast offset.
        noise_variance: variance in s² of the judge.
    """

    path: PathForecast
    measurement: Measurement
    horizon_s: float
    error_s: float
    noise_variance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Era:
    """What was known between two measurements, as it waits to be judged at one horizon.

    Attributes:
        state: the estimator's, at the measurement with which it began.
        paths: of each model, one per prediction loop.
        weights: the fusion's, by model, at that horizon.
        innovations: factor of the estimator's standard uncertainty that was in force.
        outdated: the clock has changed since. How far its forecasts were off says how far forecasts
            can be trusted, and nothing of what a model is worth.
    """

    state: ClockState
    paths: Mapping[str, tuple[PathForecast, ...]]
    weights: Mapping[str, float]
    innovations: float
    outdated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What one measurement says of one era.

    Attributes:
        era: the era.
        index: at which horizon.
        horizon_s: age of the era's newest measurement.
        residual_s: measured offset (its expected error taken off) minus the estimator's.
        noise_variance: variance in s² of the judge.
        expected: variance in s² that the estimator stated, constant errors of routes left out.
        gaps: what each model forecast beyond the estimator, s.
        scores: one per model.
    """

    era: Era
    index: int
    horizon_s: float
    residual_s: float
    noise_variance: float
    expected: float
    gaps: Mapping[str, float]
    scores: tuple[Score, ...]


class Scorer:
    """Keeps eras and judges them, one per horizon at each measurement."""

    def __init__(self) -> None:
        self._paths: dict[str, dict[str, PathForecast]] = {}
        self._eras: tuple[deque[Era], ...] = tuple(deque() for _ in HORIZONS_S)
        self._judged_ns = [0] * len(HORIZONS_S)

    def add(self, path: PathForecast) -> None:
        """Take a forecast; it stands for its model until the next one of the same loop."""
        self._paths.setdefault(path.model, {})[path.predictor] = path

    def due(self, state: ClockState) -> list[int]:
        """Return the horizons for which an era beginning with a state is to wait."""
        return [
            index
            for index, eras in enumerate(self._eras)
            if not eras or state.raw_ns - eras[-1].state.raw_ns >= SPACING * HORIZONS_S[index] * 1e9
        ]

    def close(
        self, state: ClockState, weights: Mapping[int, Mapping[str, float]], innovations: float
    ) -> None:
        """End an era: a measurement is about to be learnt.

        Args:
            state: the estimator's at the measurement before.
            weights: the fusion's at each horizon that is due, by model.
            innovations: factor of the estimator's standard uncertainty.
        """
        paths = {model: tuple(by_loop.values()) for model, by_loop in self._paths.items()}
        for index, shares in weights.items():
            era = Era(state=state, paths=paths, weights=shares, innovations=innovations)
            self._eras[index].append(era)

    def judge(
        self, measurement: Measurement, noise_variance: float, expected_error_s: float
    ) -> list[Judgement]:
        """Judge the era nearest to each horizon by a measurement that came after it."""
        raw_ns = measurement.raw_ns
        found: list[Judgement] = []
        for index, eras in enumerate(self._eras):
            while eras and raw_ns - eras[0].state.raw_ns > LATEST * HORIZONS_S[index] * 1e9:
                eras.popleft()
            if raw_ns - self._judged_ns[index] < RATHER * HORIZONS_S[index] * 1e9:
                continue
            era = _nearest(eras, index, raw_ns)
            if era is not None:
                self._judged_ns[index] = raw_ns
                found.append(_judgement(era, index, measurement, noise_variance, expected_error_s))
        return found

    def outdate(self) -> None:
        """Keep eras for what they say of uncertainty only: the clock has changed by itself."""
        self._paths.clear()
        for eras in self._eras:
            changed = [replace(era, outdated=True) for era in eras]
            eras.clear()
            eras.extend(changed)

    def forget(self) -> None:
        """Drop everything: the clock was disrupted, it was about another one."""
        self._paths.clear()
        self._judged_ns = [0] * len(HORIZONS_S)
        for eras in self._eras:
            eras.clear()


def _nearest(eras: deque[Era], index: int, raw_ns: int) -> Era | None:
    """The era whose age is nearest to a horizon, by ratio, if it belongs to it."""
    ages = [((raw_ns - era.state.raw_ns) * 1e-9, era) for era in eras]
    fitting = [pair for pair in ages if pair[0] > 0 and horizon_index(pair[0]) == index]
    if not fitting:
        return None
    return min(fitting, key=lambda pair: abs(math.log(pair[0] / HORIZONS_S[index])))[1]


def _judgement(
    era: Era, index: int, measurement: Measurement, noise_variance: float, expected_error_s: float
) -> Judgement:
    raw_ns, state = measurement.raw_ns, era.state
    base_ns = state.offset_at(raw_ns)
    residual_s = (measurement.offset_ns - base_ns) * 1e-9 - expected_error_s
    gaps: dict[str, float] = {}
    scores: list[Score] = []
    for model, by_loop in era.paths.items():
        path = speaker(by_loop, raw_ns)
        gap_s = gap_of(path, raw_ns, base_ns) if path.covers(raw_ns) else None
        if gap_s is None:
            continue
        if model != BASELINE:  # which is judged by its state
            gaps[model] = gap_s
        scores.append(
            Score(
                path=path,
                measurement=measurement,
                horizon_s=path.horizon_s(raw_ns),
                error_s=residual_s - gap_s,
                noise_variance=noise_variance,
            )
        )
    return Judgement(
        era=era,
        index=index,
        horizon_s=(raw_ns - state.raw_ns) * 1e-9,
        residual_s=residual_s,
        noise_variance=noise_variance,
        expected=max(state.variance_at(raw_ns) - state.var_route, 0.0) * era.innovations**2,
        gaps=gaps,
        scores=tuple(scores),
    )
