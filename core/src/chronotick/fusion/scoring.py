"""Forecasts wait here for the measurement that judges them."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

from chronotick.fusion.skill import HORIZONS_S, horizon_index
from chronotick.models.forecast import PathForecast
from chronotick.ntp.measurement import Measurement

PENDING = 512  # forecasts of one model that wait at most


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One forecast, judged by one measurement made after it.

    Attributes:
        path: the forecast.
        measurement: its judge.
        horizon_s: time between the newest measurement the forecast knew and its judge.
        error_s: measured offset (the source's estimated bias removed) minus forecast offset.
        noise_variance: variance in s² of the judge.
    """

    path: PathForecast
    measurement: Measurement
    horizon_s: float
    error_s: float
    noise_variance: float


class Scorer:
    """Keeps recent forecasts and judges them, one per model and horizon at each measurement."""

    def __init__(self) -> None:
        self._pending: dict[str, deque[PathForecast]] = {}

    def add(self, path: PathForecast) -> None:
        """Let a forecast wait for measurements."""
        self._pending.setdefault(path.model, deque(maxlen=PENDING)).append(path)

    def judge(self, measurement: Measurement, noise_variance: float, bias_s: float) -> list[Score]:
        """Return one score for each model and horizon that a waiting forecast covers."""
        scores: list[Score] = []
        for paths in self._pending.values():
            _drop_expired(paths, measurement.raw_ns)
            scores.extend(
                _score(path, measurement, noise_variance, bias_s)
                for path in _nearest_to_horizons(paths, measurement.raw_ns).values()
            )
        return scores

    def forget(self) -> None:
        """Drop all waiting forecasts: the clock was disrupted, they were about another one."""
        self._pending.clear()


def _drop_expired(paths: deque[PathForecast], raw_ns: int) -> None:
    alive = [path for path in paths if raw_ns - path.issued_raw_ns <= path.reach_ns]
    paths.clear()
    paths.extend(alive)


def _nearest_to_horizons(paths: deque[PathForecast], raw_ns: int) -> dict[int, PathForecast]:
    """The forecast nearest to each horizon, by ratio; of equals the one issued last."""
    chosen: dict[int, tuple[float, PathForecast]] = {}
    for path in paths:
        if raw_ns <= path.issued_raw_ns:
            continue
        horizon_s = path.horizon_s(raw_ns)
        index = horizon_index(horizon_s)
        distance = abs(math.log(horizon_s / HORIZONS_S[index]))
        if index not in chosen or distance <= chosen[index][0]:
            chosen[index] = distance, path
    return {index: path for index, (_, path) in chosen.items()}


def _score(
    path: PathForecast, measurement: Measurement, noise_variance: float, bias_s: float
) -> Score:
    raw_ns = measurement.raw_ns
    return Score(
        path=path,
        measurement=measurement,
        horizon_s=path.horizon_s(raw_ns),
        error_s=(measurement.offset_ns - path.offset_at(raw_ns)) * 1e-9 - bias_s,
        noise_variance=noise_variance,
    )
