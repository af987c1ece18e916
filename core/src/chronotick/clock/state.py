"""What an estimator knows about the clock at one instant, and what that says of later ones."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from chronotick.clock.course import Course


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockState:
    """Offset and frequency of true time against CLOCK_MONOTONIC_RAW, with their covariance.

    What later instants look like is the course's to say. Without one it is the two-state model of
    Zucca and Tavella ("The clock model and its relationship with the Allan and related variances",
    IEEE Trans. UFFC 52, 2005): white and random-walk frequency noise.

    Attributes:
        raw_ns: the instant all values hold for.
        offset_ns: UTC - RAW at that instant.
        frequency: d(UTC - RAW)/d(RAW), dimensionless.
        var_offset: variance of the offset, s².
        cov: covariance of offset and frequency, s.
        var_frequency: variance of the frequency.
        white_psd: white FM: offset variance gained per second, s.
        wander_psd: random-walk FM: frequency variance gained per second, 1/s.
        var_route: the part of ``var_offset`` that no measurement can tell (constant errors of the
            routes), s².
        base_ns: what the course's offsets count from.
        course: how the clock is expected to go on.
    """

    raw_ns: int
    offset_ns: int
    frequency: float
    var_offset: float
    cov: float
    var_frequency: float
    white_psd: float
    wander_psd: float
    var_route: float = 0.0
    base_ns: int = 0
    course: Course | None = field(default=None, compare=False, repr=False)

    def offset_at(self, raw_ns: int) -> int:
        """UTC - RAW in ns at ``raw_ns``, as the estimator expects it."""
        if self.course is None:
            return self.tangent_at(raw_ns)
        return self.base_ns + round(self.course.offset_s(raw_ns) * 1e9)

    def tangent_at(self, raw_ns: int) -> int:
        """UTC - RAW in ns at ``raw_ns`` if the frequency stayed what it is."""
        return self.offset_ns + round(self.frequency * (raw_ns - self.raw_ns))

    def path(self, raw_ns: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """What the estimator expects beyond the tangent in s, and its variances in s², all at once.

        Args:
            raw_ns: the instants; none before the newest measurement.
        """
        if self.course is None:
            return np.zeros(len(raw_ns)), np.array([self.variance_at(each) for each in raw_ns])
        offsets_s, variances = self.course.path(raw_ns)
        start_s = (self.offset_ns - self.base_ns) * 1e-9
        return offsets_s - start_s - self.frequency * ((raw_ns - self.raw_ns) * 1e-9), variances

    def variance_at(self, raw_ns: int) -> float:
        """Variance of the offset in s² at ``raw_ns``.

        It grows in both directions, away from the state's own instant or, where there is a course,
        from that of the newest measurement; it is never less than there.
        """
        if self.course is not None:
            return self.course.variance(raw_ns)
        age = (raw_ns - self.raw_ns) * 1e-9
        gained = self.white_psd * abs(age) + self.wander_psd * abs(age) ** 3 / 3
        return max(
            self.var_offset + 2 * self.cov * age + self.var_frequency * age * age + gained, 0.0
        )

    def sigma_at(self, raw_ns: int) -> float:
        """Standard uncertainty of the offset in s at ``raw_ns``."""
        return math.sqrt(self.variance_at(raw_ns))
