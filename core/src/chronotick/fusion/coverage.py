"""Is the sigma of a fused forecast true? Its later measured errors tell, horizon by horizon.

Adaptive conformal inference (Gibbs and Candes, "Adaptive conformal inference under distribution
shift", NeurIPS 2021) in the form that tracks a quantile (Angelopoulos, Candes and Tibshirani,
"Conformal PID control for time series prediction", NeurIPS 2023): each measurement that falls
outside the 95 % interval of a forecast widens it, each inside narrows it a nineteenth as much, so
that in the long run 95 % are inside, whatever the errors are like.

The interval around a measurement has the measurement's own noise in it. Where that is most of its
width, coverage says nothing of sigma: the step is multiplied by sigma's share of the variance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

from chronotick.fusion.horizons import HORIZONS_S, place_of

NOMINAL: Final = 0.95
NOMINAL_SIGMAS: Final = 1.96
STEP: Final = 0.1  # of the factor's logarithm for a miss, once there is much evidence
FIRST_STEPS: Final = 5.0  # judgements over which the steps are larger
MEMORY: Final = 300.0  # judgements over which coverage is counted
TRUSTED: Final = 40.0  # independent judgements before a factor below 1 is begun to be believed
NARROWEST: Final = 0.4  # the least factor, however much evidence there is
WIDEST: Final = 30.0


@dataclass(slots=True)
class _Tracker:
    power: float = 0.0  # logarithm of the factor
    evidence: float = 0.0  # independent judgements, as far as they could tell
    inside: float = 0.0
    count: float = 0.0
    judged_ns: int = 0

    @property
    def factor(self) -> float:
        return math.exp(self.power)

    @property
    def is_sound(self) -> bool:
        """Whether the numbers can be those of a tracker."""
        return (
            math.log(NARROWEST) - 1e-9 <= self.power <= math.log(WIDEST) + 1e-9
            and 0.0 <= self.evidence < math.inf
            and 0.0 <= self.inside <= self.count < math.inf
        )

    @property
    def least_power(self) -> float:
        """Narrower than stated only as far as that is proven."""
        believed = max(self.evidence - TRUSTED, 0.0) / TRUSTED
        return max(math.log(NARROWEST), -believed)


class Coverage:
    """Factors of sigma by horizon, and how many measurements were inside."""

    def __init__(self) -> None:
        self._trackers = [_Tracker() for _ in HORIZONS_S]

    def add(
        self, raw_ns: int, index: int, error_s: float, variance: float, noise_variance: float
    ) -> None:
        """Take the error of a fused forecast.

        Args:
            raw_ns: when it was measured.
            index: horizon of the forecast.
            error_s: measured offset minus forecast.
            variance: stated for the forecast in s², without this factor and without constant errors
                of routes, which are the same in forecast and measurement.
            noise_variance: of the measurement, s².
        """
        tracker = self._trackers[index]
        passed_s = max(raw_ns - tracker.judged_ns, 0) * 1e-9
        news = min(1.0, passed_s / (HORIZONS_S[index] / 4))
        tracker.judged_ns = raw_ns
        own = variance * tracker.factor**2
        inside = error_s**2 <= NOMINAL_SIGMAS**2 * (own + noise_variance)
        keep = 1.0 - news / MEMORY
        tracker.count = tracker.count * keep + news
        tracker.inside = tracker.inside * keep + news * inside
        told = own / max(own + noise_variance, 1e-30) * news
        step = max(STEP, 1.0 / (FIRST_STEPS + tracker.evidence)) * told
        tracker.evidence += told
        tracker.power += step * (NOMINAL - 1.0 if inside else NOMINAL)
        tracker.power = max(tracker.least_power, min(tracker.power, math.log(WIDEST)))

    def factor(self, age_s: float) -> float:
        """What sigma is multiplied by at an age of the newest measurement.

        Between horizons it is interpolated; below the shortest and beyond the longest that could
        be judged it holds.
        """
        known = [n for n, tracker in enumerate(self._trackers) if tracker.count]
        if not known:
            return 1.0
        place = place_of(age_s)
        below = max((n for n in known if n <= place), default=known[0])
        above = min((n for n in known if n >= place), default=known[-1])
        lower, upper = self._trackers[below].factor, self._trackers[above].factor
        part = (place - below) / (above - below) if above > below else 0.0
        return lower + (upper - lower) * part

    def table(self) -> list[dict[str, float]]:
        """Rows of horizon, measured coverage, judgements and factor of sigma."""
        return [
            {
                "horizon_s": horizon_s,
                "coverage": tracker.inside / tracker.count,
                "judgements": tracker.count,
                "factor": tracker.factor,
            }
            for horizon_s, tracker in zip(HORIZONS_S, self._trackers, strict=True)
            if tracker.count
        ]

    def snapshot(self) -> list[list[float]]:
        """Return everything as JSON types."""
        return [[t.power, t.evidence, t.inside, t.count] for t in self._trackers]

    def restore(self, snapshot: Any) -> None:  # noqa: ANN401 - any JSON type
        """Take up a snapshot; on failure nothing is changed.

        Raises:
            ValueError: it is damaged.
        """
        try:
            trackers = [
                _Tracker(float(power), float(evidence), float(inside), float(count))
                for power, evidence, inside, count in snapshot
            ]
        except (TypeError, ValueError) as error:
            raise ValueError(f"the saved coverage is damaged: {error}") from error
        if len(trackers) != len(HORIZONS_S) or not all(t.is_sound for t in trackers):
            raise ValueError("the saved coverage is damaged: its numbers do not fit")
        self._trackers = trackers
