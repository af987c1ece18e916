"""Served time never steps backwards: it is steered to each new estimate.

Within an epoch every record starts where the one before it stands at that moment; only the rate
differs. The correction decays with a time constant, its rate limited to ``max_slew``, and the rate
itself changes by little from one record to the next: a reader that was caught between two records
by a few microseconds must not see time run backwards either.
"""

from __future__ import annotations

from dataclasses import dataclass

TIME_CONSTANT_S = 2.0  # with which a residual decays
PERIODS_PER_TIME_CONSTANT = 10.0  # slow publication steers more slowly, or it would oscillate
MAX_RATE_CHANGE = 1e-4  # per record: 5 ns over the 50 us between reading the clock and publishing


@dataclass(frozen=True, slots=True)
class Served:
    """Where served time stands and how fast it runs.

    Attributes:
        raw_ns: the instant.
        utc_ns: served Unix time at it.
        rate: d(UTC)/d(RAW) - 1 from there on.
        residual_ns: estimated minus served time: what is still to be slewed.
        stepped: this record does not continue the one before it.
    """

    raw_ns: int
    utc_ns: int
    rate: float
    residual_ns: int
    stepped: bool = False

    def utc_at(self, raw_ns: int) -> int:
        """Served time at a later instant."""
        return self.continued(raw_ns)[0]

    def continued(self, raw_ns: int, fraction: float = 0.0) -> tuple[int, float]:
        """Served time at a later instant, and the fraction of a nanosecond that is left over."""
        passed = raw_ns - self.raw_ns
        gained = self.rate * passed + fraction
        whole = round(gained)
        return self.utc_ns + passed + whole, gained - whole


class Steering:
    """Turns estimates into continuous served time.

    Args:
        max_slew: fastest approach (s/s).
        step_threshold_ns: larger residuals are stepped over at once.
    """

    def __init__(self, max_slew: float, step_threshold_ns: int) -> None:
        self._max_slew = max_slew
        self._step_threshold_ns = step_threshold_ns
        self._served: Served | None = None
        # At 1000 records per second a slow slew moves less than half a nanosecond per record:
        # rounded away each time, it would never arrive.
        self._fraction = 0.0

    def steer(self, raw_ns: int, utc_ns: int, rate: float) -> Served:
        """Return served time for an estimate: UTC and rate at a RAW instant."""
        before = self._served
        if before is None:
            served = self._step(raw_ns, utc_ns, rate)
        else:
            standing, fraction = before.continued(raw_ns, self._fraction)
            if abs(utc_ns - standing) > self._step_threshold_ns:
                served = self._step(raw_ns, utc_ns, rate)
            else:
                self._fraction = fraction
                served = self._slew(before, raw_ns, standing, utc_ns - standing, rate)
        self._served = served
        return served

    def forget(self) -> None:
        """Let the next estimate be served at once, whatever was served before."""
        self._served = None

    def _step(self, raw_ns: int, utc_ns: int, rate: float) -> Served:
        self._fraction = 0.0
        return Served(raw_ns, utc_ns, rate, 0, stepped=True)

    def _slew(
        self, before: Served, raw_ns: int, standing_ns: int, residual_ns: int, rate: float
    ) -> Served:
        period_s = (raw_ns - before.raw_ns) * 1e-9
        constant_s = max(TIME_CONSTANT_S, PERIODS_PER_TIME_CONSTANT * period_s)
        wanted = residual_ns * 1e-9 / constant_s
        wanted = max(-self._max_slew, min(self._max_slew, wanted))
        change = max(-MAX_RATE_CHANGE, min(MAX_RATE_CHANGE, rate + wanted - before.rate))
        return Served(raw_ns, standing_ns, before.rate + change, residual_ns)
