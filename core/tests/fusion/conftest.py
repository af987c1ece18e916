"""Forecasts, states and judgements for tests of fusion."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest

from chronotick.clock import ClockState
from chronotick.fusion import Skill
from chronotick.models import PathForecast

SECOND = 1_000_000_000
BASE = 1_700_000_000 * SECOND
OWN_S = 10e-6  # rms error of the estimator


def _state_at(raw_s: float = 100.0, route_s: float = 0.0) -> ClockState:
    return ClockState(
        raw_ns=round(raw_s * SECOND),
        offset_ns=BASE,
        frequency=0.0,
        var_offset=OWN_S**2 + route_s**2,
        cov=0.0,
        var_frequency=1e-16,
        white_psd=0.0,
        wander_psd=0.0,
        var_route=route_s**2,
    )


def _path_of(
    model: str, beyond_s: float, raw_s: float = 100.0, steps: int = 16, claimed_s: float = np.nan
) -> PathForecast:
    """A forecast that lies ``beyond_s`` from the estimator's all along."""
    return PathForecast(
        model=model,
        predictor="short_term",
        trend=_state_at(raw_s),
        known_raw_ns=round(raw_s * SECOND),
        step_ns=4 * SECOND,
        residual=np.full(steps + 1, beyond_s),
        claimed_sigma=np.full(steps + 1, claimed_s),
        latency_s=0.0,
    )


def _teach(
    skill: Skill,
    errors: Mapping[str, Callable[[float], float]],
    *,
    count: int = 60,
    horizons: tuple[float, ...] = (1.0, 4.0, 16.0, 64.0),
    noise_s: float = 1e-6,
    begin_s: float = 0.0,
    seed: int = 1,
) -> float:
    """Judge an estimator wrong by ``OWN_S`` and models wrong by what each makes of that error.

    Returns:
        The time in s at which it ended.
    """
    rng = np.random.default_rng(seed)
    for n in range(count):
        for horizon_s in horizons:
            own = float(rng.normal(0.0, OWN_S))
            noise_s_now = noise_s * float(np.exp(rng.normal(0.0, 0.3)))
            residual = own + float(rng.normal(0.0, noise_s_now))
            judged = skill.judge(
                round((begin_s + (n + 1) * 64.0) * SECOND),
                horizon_s,
                residual,
                noise_s_now**2,
                OWN_S**2,
            )
            skill.take(judged, {m: own - error(own) for m, error in errors.items()})
    return begin_s + count * 64.0


def _errors_of(rms_s: float, seed: int = 7) -> Callable[[float], float]:
    """Errors that have nothing to do with the estimator's."""
    rng = np.random.default_rng(seed)

    def error(own: float) -> float:
        return float(rng.normal(0.0, rms_s))

    return error


@pytest.fixture
def skill() -> Skill:
    return Skill(min_scores=4)


@pytest.fixture
def state_at() -> Callable[..., ClockState]:
    return _state_at


@pytest.fixture
def path_of() -> Callable[..., PathForecast]:
    return _path_of


@pytest.fixture
def teach() -> Callable[..., float]:
    return _teach


@pytest.fixture
def errors_of() -> Callable[..., Callable[[float], float]]:
    return _errors_of
