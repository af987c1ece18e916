"""How fast UTC runs against CLOCK_MONOTONIC_RAW: what makes samples of different age comparable.

RFC 5905 compares offsets of a clock it disciplines to within 15 ppm. CLOCK_MONOTONIC_RAW is not
disciplined by anybody: it is off by tens of ppm, in virtual machines by hundreds, and two honest
samples a minute apart would seem to disagree by milliseconds. Selection therefore carries every
sample to the present with one rate common to all sources, and widens it by what is not known.
This is not the oscillator estimate that time is served from: that is :mod:`chronotick.clock`'s.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from chronotick.ntp.measurement import Measurement

PHI = 15e-6
"""Least growth of dispersion, s/s (RFC 5905, PHI): oscillators wander."""
UNKNOWN = 500e-6
"""Growth while no rate is known, s/s: the nominal tolerance that NTP has always allowed for."""
_STAMP_NOISE_NS = 2_000.0  # kernel stamps, 99th percentile on loopback
_UNCERTAINTY_FACTOR = 3.0  # standard errors


@dataclass(frozen=True, slots=True)
class Drift:
    """Rate of UTC against CLOCK_MONOTONIC_RAW.

    Attributes:
        rate: dimensionless, (dUTC - dRAW)/dRAW.
        uncertainty: how far the rate may be off, dimensionless.
    """

    rate: float = 0.0
    uncertainty: float = UNKNOWN

    def carry(self, sample: Measurement, raw_ns: int) -> int:
        """The offset that a sample means at another moment (ns)."""
        return sample.offset_ns + round(self.rate * (raw_ns - sample.raw_ns))

    def growth_ns(self, age_ns: int) -> int:
        """How much wider a bound gets over an age (ns)."""
        return round(self.growth_rate * abs(age_ns))

    @property
    def growth_rate(self) -> float:
        """How much wider a bound gets, s/s."""
        return max(self.uncertainty, PHI)


def common_drift(slopes: Iterable[Drift | None]) -> Drift:
    """The rate common to all sources: the weighted median of their slopes.

    A server's constant errors (asymmetric route, wrong clock) cancel in its slope; what does not is
    queueing, at most half of a sample's delay beyond the smallest seen. The median holds against a
    minority of servers whose own clock runs away.

    Args:
        slopes: one per source (see :func:`slope`), None where it has none.
    """
    known = [each for each in slopes if each is not None]
    if not known:
        return Drift()
    middle = _weighted_median(known)
    return middle if middle.uncertainty < UNKNOWN else Drift()


def slope(samples: Sequence[Measurement]) -> Drift | None:
    """Rate by one source alone: least squares of offset on time, weighted by excess delay.

    Args:
        samples: recent samples, oldest first.

    Returns:
        None from fewer than three samples, or where all are of one moment.
    """
    if len(samples) < 3:  # noqa: PLR2004  # two points fit any line: no idea of its error
        return None
    weights = [noise_ns**-2 for noise_ns in _noise_ns(samples)]
    total = sum(weights)
    origin = samples[0]
    times = [float(sample.raw_ns - origin.raw_ns) for sample in samples]
    offsets = [float(sample.offset_ns - origin.offset_ns) for sample in samples]
    time_mean = sum(w * t for w, t in zip(weights, times, strict=True)) / total
    offset_mean = sum(w * o for w, o in zip(weights, offsets, strict=True)) / total
    spread = sum(w * (t - time_mean) ** 2 for w, t in zip(weights, times, strict=True))
    if not spread:
        return None
    rows = list(zip(weights, times, offsets, strict=True))
    rate = sum(w * (t - time_mean) * (o - offset_mean) for w, t, o in rows) / spread
    residual = sum(w * (o - offset_mean - rate * (t - time_mean)) ** 2 for w, t, o in rows)
    # Scatter beyond the model's noise widens the error; luck with few samples does not narrow it.
    excess = max(1.0, residual / (len(samples) - 2))
    return Drift(rate, _UNCERTAINTY_FACTOR * (excess / spread) ** 0.5)


def _noise_ns(samples: Sequence[Measurement]) -> list[float]:
    delays_ns = sorted(sample.delay_ns for sample in samples)
    # The least delay of a few samples is not the path's: it hides about what the others show.
    hidden_ns = (delays_ns[len(delays_ns) // 2] - delays_ns[0]) / 2
    return [
        (sample.delay_ns - delays_ns[0]) / 2 + sample.precision_ns + hidden_ns + _STAMP_NOISE_NS
        for sample in samples
    ]


def _weighted_median(slopes: list[Drift]) -> Drift:
    ordered = sorted(slopes, key=lambda slope: slope.rate)
    # A floor on the uncertainty keeps one excellent (or lying) server from outvoting all others.
    weights = [1 / max(slope.uncertainty, PHI) for slope in ordered]
    half = sum(weights) / 2
    passed = itertools.accumulate(weights)
    return next(slope for slope, so_far in zip(ordered, passed, strict=True) if so_far >= half)
