"""Real clocks: holdover of free-running hosts, noise behind bimodal delays, a true host's NTP."""

from __future__ import annotations

import csv
import gzip
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from estimates import bank_alone, replayed
from numpy.typing import NDArray
from scores import NORMAL_95, rms
from worlds import Truth, traces

from chronotick.config.schema import Config
from chronotick.daemon.timekeeper import Timekeeper
from chronotick.lab.recordings import read_recording

Vector = NDArray[np.float64]
NS = 1_000_000_000

HORIZONS_S = (64.0, 256.0, 1024.0, 3600.0)
LINES_S = (512.0, 2048.0, 7200.0)
FREE_RUNNING = (
    ("chameleon_uc_freerun_24h_1s", 300.0),
    ("networktime_2012may_1024s", 1024.0),
    ("tacc_freerun_2s_first5h", 120.0),
)
"""Free-running hosts, and how far apart the instants are from which holdover is judged."""
BIMODAL = "tacc_freerun_2s_first5h"
BIMODAL_SLOPE = 0.502  # of offset on excess delay, from the traces' README
TRUE_HOST = "pfsense_nist1"
FIRST_ORIGIN_S = 7200.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdover:
    """Errors after a time without measurements, rms in s, by estimator."""

    trace: str
    horizon_s: float
    origins: int
    rms_s: dict[str, float]
    coverage: float


def available() -> bool:
    """Whether the real traces are there."""
    return (traces() / "real").is_dir()


def path_of(name: str) -> Path:
    """File of a real trace."""
    return traces() / "real" / f"{name}.csv.gz"


def holdovers() -> Iterator[Holdover]:
    """Judge holdover on each free-running host."""
    for name, step_s in FREE_RUNNING:
        yield from holdover(name, step_s)


def holdover(name: str, step_s: float) -> Iterator[Holdover]:
    """Forecast from many instants, every estimator from the same measurements."""
    time_s, measured_s = _columns(path_of(name), ("t_s", "offset_s"))
    reference_s = _reference(name)
    origins = np.arange(time_s[0] + FIRST_ORIGIN_S, time_s[-1] - HORIZONS_S[-1], step_s)
    ours, sigma = _forecasts(name, origins)
    for place, horizon_s in enumerate(HORIZONS_S):
        wanted = np.interp(origins + horizon_s, time_s, reference_s)
        forecasts = {"kalman": ours[:, place], "hold": _hold(time_s, measured_s, origins)}
        for window_s in LINES_S:
            forecasts[f"line {window_s:.0f} s"] = np.array(
                [_line(time_s, measured_s, origin, window_s, horizon_s) for origin in origins]
            )
        errors = {who: forecast - wanted for who, forecast in forecasts.items()}
        judge = np.std if name == BIMODAL else rms  # its true offset is known but for a constant
        inside = np.abs(errors["kalman"]) <= NORMAL_95 * sigma[:, place]
        yield Holdover(
            trace=name,
            horizon_s=horizon_s,
            origins=len(origins),
            rms_s={who: float(judge(e)) for who, e in errors.items() if np.isfinite(e).all()},
            coverage=float(np.mean(inside)),
        )


def _forecasts(name: str, origins: Vector) -> tuple[Vector, Vector]:
    """What the daemon would publish at each horizon after each origin: offset and sigma."""
    recording = read_recording(str(path_of(name)))
    keeper, taken = Timekeeper(Config()), 0
    offsets, sigmas = np.full((2, len(origins), len(HORIZONS_S)), math.nan)
    for row, origin in enumerate(origins):
        raw_ns = recording.raw_ns(round(origin * NS))
        while taken < len(recording.arrivals) and recording.arrivals[taken].raw_ns <= raw_ns:
            keeper.measure(recording.arrivals[taken].measurement)
            taken += 1
        for place, horizon_s in enumerate(HORIZONS_S):
            fused = keeper.fused(raw_ns + round(horizon_s * NS))
            assert fused is not None  # noqa: S101 - origins begin after two hours
            offsets[row, place] = (fused.offset_ns + recording.shift_ns) / NS
            sigmas[row, place] = fused.sigma_s
    return offsets, sigmas


def _reference(name: str) -> Vector:
    """What holdover is judged by: the measured offsets, their delays' part taken off if known."""
    time_s, offset_s, delay_s = _columns(path_of(name), ("t_s", "offset_s", "delay_s"))
    if name != BIMODAL:
        return offset_s
    corrected = offset_s - BIMODAL_SLOPE * (delay_s - np.quantile(delay_s, 0.002))
    return _smoothed(time_s, corrected)


def _hold(time_s: Vector, offset_s: Vector, origins: Vector) -> Vector:
    """The last offset."""
    held: Vector = offset_s[np.searchsorted(time_s, origins, side="right") - 1]
    return held


def _line(
    time_s: Vector, offset_s: Vector, origin: float, window_s: float, horizon_s: float
) -> float:
    chosen = (time_s > origin - window_s) & (time_s <= origin)
    if chosen.sum() < 3:  # two points fit any line
        return math.nan
    slope, value = np.polyfit(time_s[chosen] - origin, offset_s[chosen], 1)
    return float(value + slope * horizon_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class BimodalNoise:
    """Noise on the trace whose delays have two modes, s.

    Attributes:
        raw_s: standard deviation of the measurements around the delay-corrected truth.
        kalman_s: of the bank's estimates.
    """

    raw_s: float
    kalman_s: float


def bimodal_noise() -> BimodalNoise:
    """Compare estimates with the delay-corrected truth; what both differ by constantly is left."""
    time_s, measured = _columns(path_of(BIMODAL), ("t_s", "offset_s"))
    recording = read_recording(str(path_of(BIMODAL)))
    instants = np.arange(3600.0, time_s[-1] - 200.0, 10.0)
    reference = _reference(BIMODAL)
    nothing = np.full(len(instants), math.nan)
    truth = Truth(time_s=instants, offset_s=nothing, chrony_s=nothing, disciplined_s=nothing)
    estimate = bank_alone(recording, truth).offset_s
    late = time_s >= instants[0]
    return BimodalNoise(
        raw_s=float(np.std((measured - reference)[late])),
        kalman_s=float(np.std(estimate - np.interp(instants, time_s, reference))),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TrueHost:
    """Estimates on a host whose clock is true to a microsecond, s."""

    bias_s: float
    sd_s: float
    mean_sigma_s: float
    coverage: float
    violations: int
    checks: int


def true_host() -> TrueHost:
    """Replay the NTP measurements of a host that GPS keeps true."""
    recording = read_recording(str(path_of(TRUE_HOST)))
    last_s = recording.local_ns(recording.arrivals[-1].raw_ns) / NS
    instants = np.arange(0.0, last_s, 10.0)
    zero = np.zeros(len(instants))
    truth = Truth(time_s=instants, offset_s=zero, chrony_s=zero, disciplined_s=zero)
    estimates = replayed(recording, truth)
    known = ~np.isnan(estimates.offset_s)
    error, sigma = estimates.offset_s[known], estimates.sigma_s[known]
    bounded = estimates.bound_s[known]
    return TrueHost(
        bias_s=float(np.mean(error)),
        sd_s=float(np.std(error)),
        mean_sigma_s=float(np.mean(sigma)),
        coverage=float(np.mean(np.abs(error) <= NORMAL_95 * sigma)),
        violations=int(np.sum(np.abs(error) > bounded)),
        checks=int(np.sum(~np.isnan(bounded))),
    )


def _smoothed(time_s: Vector, offset_s: Vector, reach_s: float = 150.0) -> Vector:
    """Value of a robust straight line through the neighbourhood of each instant."""
    values = []
    for instant in time_s:
        low, high = np.searchsorted(time_s, [instant - reach_s, instant + reach_s])
        near_time, near = time_s[low:high] - instant, offset_s[low:high]
        residual = near - np.polyval(np.polyfit(near_time, near, 1), near_time)
        good = np.abs(residual) <= 3 * 1.48 * np.median(np.abs(residual))
        values.append(np.polyfit(near_time[good], near[good], 1)[1])
    return np.array(values)


def _columns(path: Path, names: Sequence[str]) -> tuple[Vector, ...]:
    with gzip.open(path, "rt", newline="") as file:
        rows = list(csv.DictReader(file))
    return tuple(np.array([float(row.get(name) or math.nan) for row in rows]) for name in names)
