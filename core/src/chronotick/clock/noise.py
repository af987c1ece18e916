"""Measurement noise from delay: a packet that queued is wrong by up to half of its queueing.

On the way of a packet, queueing shows twice: as *excess* delay over the path's minimum, and as an
offset error of at most half of it, on the side of the queue. A measurement's variance is therefore
``(kappa * excess)² + epsilon²``. kappa = 0.29 is the standard deviation of an error uniform in
±excess/2, i.e. symmetric queueing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from chronotick.ntp.measurement import Measurement

KAPPA = 0.29
WINDOW = 64  # samples over which the minimum delay is taken: a longer route ages out of it
FLOOR_S = 5e-7  # no exchange is better than this: kernel stamps were seen to err by 0.5 us
PRIOR_EXCESS = 0.25  # mean queueing assumed before any was seen, as a fraction of the delay
PRIOR_SAMPLES = 3.0  # what that assumption is worth
CAUTION = 2.0  # the least of n delays may be that many times its expectation above the minimum
BIAS_FRACTION = 0.02  # asymmetry of a route, one sigma, as a fraction of its minimum delay
BIAS_FLOOR_S = 1e-6  # asymmetry of time stamping


class DelayNoise:
    """Minimum delay and queueing of one source."""

    def __init__(self) -> None:
        self._delays: deque[float] = deque(maxlen=WINDOW)

    @property
    def minimum_s(self) -> float:
        """Shortest delay of the window in s; 0 before the first."""
        return min(self._delays, default=0.0)

    @property
    def bias_sigma_s(self) -> float:
        """Prior standard deviation in s of the constant error that asymmetry makes."""
        return max(BIAS_FRACTION * self.minimum_s, BIAS_FLOOR_S)

    def add(self, measurement: Measurement) -> None:
        """Take a measurement's delay into account."""
        self._delays.append(measurement.delay_ns * 1e-9)

    def variance(self, measurement: Measurement) -> float:
        """Variance in s² of a measurement's offset, its route's constant bias left out.

        The minimum of n delays exceeds the true minimum by about the mean excess over n; a
        multiple of that is added to every excess, so that a first sample is not taken for a
        perfect one.
        """
        count = max(len(self._delays), 1)
        delay = measurement.delay_ns * 1e-9
        minimum = self.minimum_s or delay
        seen = max(sum(self._delays) - count * minimum, 0.0)
        mean_excess = (PRIOR_SAMPLES * PRIOR_EXCESS * minimum + seen) / (PRIOR_SAMPLES + count)
        excess = max(delay - minimum, 0.0) + CAUTION * mean_excess / count
        epsilon = max(measurement.precision_ns * 1e-9, FLOOR_S)
        return (KAPPA * excess) ** 2 + epsilon**2

    def snapshot(self) -> list[float]:
        """Delays of the window in s, oldest first."""
        return list(self._delays)

    @classmethod
    def restored(cls, delays: Iterable[float]) -> DelayNoise:
        """Return the noise of a source whose window of delays is known."""
        noise = cls()
        noise._delays.extend(float(delay) for delay in delays)
        return noise
