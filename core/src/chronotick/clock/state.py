"""What an estimator knows about the clock at one instant, and what that says of later ones."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockState:
    """Offset and frequency of true time against CLOCK_MONOTONIC_RAW, with their covariance.

    The oscillator model is the two-state one of Zucca and Tavella ("The clock model and its
    relationship with the Allan and related variances", IEEE Trans. UFFC 52, 2005): white and
    random-walk frequency noise.

    Attributes:
        raw_ns: the instant all values hold for.
        offset_ns: UTC - RAW at that instant.
        frequency: d(UTC - RAW)/d(RAW), dimensionless.
        var_offset: variance of the offset, s².
        cov: covariance of offset and frequency, s.
        var_frequency: variance of the frequency.
        white_psd: white FM: offset variance gained per second, s.
        wander_psd: random-walk FM: frequency variance gained per second, 1/s.
    """

    raw_ns: int
    offset_ns: int
    frequency: float
    var_offset: float
    cov: float
    var_frequency: float
    white_psd: float
    wander_psd: float

    def offset_at(self, raw_ns: int) -> int:
        """UTC - RAW in ns at ``raw_ns``, as the estimator expects it."""
        return self.tangent_at(raw_ns)

    def tangent_at(self, raw_ns: int) -> int:
        """UTC - RAW in ns at ``raw_ns`` if the frequency stayed what it is."""
        return self.offset_ns + round(self.frequency * (raw_ns - self.raw_ns))

    def variance_at(self, raw_ns: int) -> float:
        """Variance of the offset in s² at ``raw_ns``.

        It grows away from the state's own instant in both directions.
        """
        age = (raw_ns - self.raw_ns) * 1e-9
        gained = self.white_psd * abs(age) + self.wander_psd * abs(age) ** 3 / 3
        return max(
            self.var_offset + 2 * self.cov * age + self.var_frequency * age * age + gained, 0.0
        )

    def sigma_at(self, raw_ns: int) -> float:
        """Standard uncertainty of the offset in s at ``raw_ns``."""
        return math.sqrt(self.variance_at(raw_ns))
