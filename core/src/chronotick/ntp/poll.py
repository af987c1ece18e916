"""How often a source is asked.

- **Burst**: at the start, and after a disruption, a source is asked at the warm-up interval until
  enough replies came. While none comes, the pauses double up to the shortest normal interval.
- **Normal**: the interval lies between a minimum and a maximum, and follows how well the clock is
  predicted. The estimator reports each measurement's innovation divided by the standard deviation
  of *that measurement's noise*. Within two, the oscillator hides behind the noise and more
  measurements would teach nothing: six such reports in a row double the interval. Beyond four, the
  oscillator moved more between two polls than one measurement is uncertain: the interval is halved
  at once. In between counts against growing. (RFC 5905, section 12, adapts by the same comparison,
  with the hysteresis of its jiggle counter.)
- **RATE** doubles the interval, and it never falls below that again; bursts are over for good.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

QUIET = 2.0
"""Innovation, in standard deviations of the noise, up to which the clock counts as predictable."""
LOUD = 4.0
"""Innovation beyond which the interval is too long (RFC 5905, PGATE)."""
_GROW_AFTER = 6
_JITTER = 0.1  # up to a tenth longer, never shorter: the configured minimum is a promise
_random = random.SystemRandom()  # no seed: nobody should guess when we ask


@dataclass(frozen=True, slots=True, kw_only=True)
class PollLimits:
    """The configured intervals.

    Attributes:
        minimum_s: shortest normal interval.
        maximum_s: longest interval.
        burst_s: interval within a burst.
        burst_replies: replies that end a burst.
    """

    minimum_s: float
    maximum_s: float
    burst_s: float
    burst_replies: int


class Poll:
    """The poll interval of one source."""

    def __init__(self, limits: PollLimits, *, burst: bool) -> None:
        self._limits = limits
        self._interval_s = limits.minimum_s
        self._floor_s = 0.0
        self._burst_left = limits.burst_replies if burst else 0
        self._failures = 0
        self._quiet = 0

    @property
    def interval_s(self) -> float:
        """The pause before the next question, without jitter."""
        if not self._burst_left:
            return self._normal_s
        pause_s = self._limits.burst_s * 2.0 ** min(self._failures, 32)
        return min(pause_s, self._normal_s)

    @property
    def _normal_s(self) -> float:
        return max(self._interval_s, self._floor_s)

    @property
    def bursting(self) -> bool:
        """Whether a burst is going on."""
        return self._burst_left > 0

    def next_pause_s(self) -> float:
        """The pause before the next question, with jitter, so that clients do not march in step."""
        return self.interval_s * (1 + _JITTER * _random.random())

    def burst(self) -> None:
        """Ask quickly again, unless the server has asked us not to."""
        self._interval_s = self._limits.minimum_s
        self._quiet = self._failures = 0
        if not self._floor_s:
            self._burst_left = self._limits.burst_replies

    def replied(self) -> None:
        """Count an accepted reply."""
        self._failures = 0
        self._burst_left = max(self._burst_left - 1, 0)

    def failed(self) -> None:
        """Count a question without an answer."""
        self._failures += 1

    def slow_down(self) -> None:
        """Obey a RATE kiss: twice the interval, for good."""
        doubled_s = 2 * max(self._floor_s, self._normal_s)
        self._floor_s = min(doubled_s, max(self._limits.maximum_s, self._floor_s))
        self._burst_left = 0

    def feedback(self, normalised_innovation: float) -> None:
        """Adapt to how well the last measurement was predicted; see the module's description."""
        size = abs(normalised_innovation)
        if size > LOUD:
            self._set_interval(self._interval_s / 2)
        elif size > QUIET:
            self._quiet = max(self._quiet - 2, 0)
        elif not self._burst_left:
            self._quiet += 1
            if self._quiet >= _GROW_AFTER:
                self._set_interval(self._interval_s * 2)

    def _set_interval(self, interval_s: float) -> None:
        self._quiet = 0
        self._interval_s = min(max(interval_s, self._limits.minimum_s), self._limits.maximum_s)

    def set_limits(self, limits: PollLimits) -> None:
        """Use other configured intervals from the next question on."""
        self._limits = limits
        self._set_interval(self._interval_s)
