"""What the model of chrony remembers of one server, and what it concludes from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from chrony_regression import Line, Vector, best_line, delay_slope

MOST_SAMPLES = 64
FEWEST_SAMPLES = 6  # minsamples
FEWEST_FOR_DELAY_TEST = 6
UNKNOWN_SKEW = 2e-3
UNKNOWN_SD_S = 4.0
LEAST_SD_S = 1e-9
LEAST_SKEW = 1e-12
MAX_CLOCK_ERROR = 1e-6  # maxclockerror, 1 ppm
MAX_DELAY_DEVIATIONS = 10.0  # maxdelaydevratio
LOCAL_PRECISION_S = 1e-7
"""That of the recorded worlds' client, found by where the model agrees best (within 2 %)."""
SERVER_PRECISION_S = 2.0**-23
"""What the servers of the recorded worlds state; the lowest bits of their stamps show it."""
PRECISION_S = LOCAL_PRECISION_S + SERVER_PRECISION_S
DEVIATION_TO_DISTANCE = 0.7
MOST_ASYMMETRY = 0.5
NOTABLE_ASYMMETRY = 0.45
NOTABLE_IN_A_ROW = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One exchange with a server.

    Attributes:
        source: which server.
        arrived_s: local time at which the reply was there.
        middle_s: local time it is about.
        offset_s: true time - local clock, as measured.
        delay_s: round trip without the server's part.
        root_delay_s, root_dispersion_s: what the server said of itself.
    """

    source: str
    arrived_s: float
    middle_s: float
    offset_s: float
    delay_s: float
    root_delay_s: float = 0.0
    root_dispersion_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Interval:
    """Where a server says the truth lies.

    Attributes:
        low_s, high_s: its ends.
        distance_s: the server's root distance.
    """

    low_s: float
    high_s: float
    distance_s: float


class Source:
    """The history of one server.

    Attributes:
        replies: valid ones, also those that the delay test left out.
        line: through the samples; None before there are three.
        line_s: local time to which the offset of `line` belongs.
    """

    def __init__(self) -> None:
        self.replies = 0
        self.line: Line | None = None
        self.line_s = 0.0
        self._times_s = _Column()
        self._offsets_s = _Column()
        self._delays_s = _Column()
        self._distances_s = _Column()
        self._root_distances_s = _Column()
        self._oldest = self._first = self._end = self._best = 0
        self._asymmetric_in_a_row = 0

    @property
    def skew(self) -> float:
        """Half of the confidence interval of the frequency."""
        return UNKNOWN_SKEW if self.line is None else max(self.line.skew, LEAST_SKEW)

    @property
    def sd_s(self) -> float:
        """Standard deviation of the samples around the line."""
        return UNKNOWN_SD_S if self.line is None else max(self.line.sd_s, LEAST_SD_S)

    @property
    def frequency_sd(self) -> float:
        """Standard deviation of the frequency."""
        return UNKNOWN_SKEW if self.line is None else max(self.line.frequency_sd, LEAST_SKEW)

    @property
    def frequency(self) -> float:
        """Slope of the line, 0 without one."""
        return 0.0 if self.line is None else self.line.frequency

    def offset_at(self, time_s: float) -> float:
        """What the line says (0 without one)."""
        return 0.0 if self.line is None else self.line.offset_s + self._since(time_s)

    def _since(self, time_s: float) -> float:
        return (time_s - self.line_s) * self.frequency

    def take(self, sample: Sample) -> bool:
        """Learn from a sample; whether it passed the delay test."""
        self.replies += 1
        if not self._passes(sample):
            return False
        self._append(sample)
        self._fit()
        return True

    def _passes(self, sample: Sample) -> bool:
        """Whether its delay is usual, or its offset is off by more than its delay explains."""
        if self._end - self._first < FEWEST_FOR_DELAY_TEST:
            return True
        since_s = sample.middle_s - self.line_s
        most_s = self.sd_s * MAX_DELAY_DEVIATIONS + since_s * (self.skew + MAX_CLOCK_ERROR)
        excess_s = (max(sample.delay_s, PRECISION_S) - self._least_delay_s()) / 2
        error_s = abs(sample.offset_s - self.offset_at(sample.middle_s))
        return excess_s <= most_s or error_s - excess_s > most_s

    def _least_delay_s(self) -> float:
        return float(self._delays_s.part(self._oldest, self._end).min())

    def _append(self, sample: Sample) -> None:
        if self._end > self._first and sample.middle_s <= self._times_s.last:
            self._reset()
        if self._end - self._first == MOST_SAMPLES:
            self._forget(1)
        delay_s = max(sample.delay_s, PRECISION_S)
        exchange_s = 2 * (sample.arrived_s - sample.middle_s)
        dispersion_s = PRECISION_S + min(self.skew, UNKNOWN_SKEW) * exchange_s
        distance_s = delay_s / 2 + dispersion_s
        server_s = sample.root_delay_s / 2 + sample.root_dispersion_s
        self._times_s.append(sample.middle_s)
        self._offsets_s.append(sample.offset_s)
        self._delays_s.append(delay_s)
        self._distances_s.append(distance_s)
        self._root_distances_s.append(server_s + distance_s)
        self._end += 1

    def _reset(self) -> None:
        """A sample that is not the newest shows that the clock was stepped."""
        self.line = None
        self._oldest = self._first = self._end
        self._asymmetric_in_a_row = 0

    def _forget(self, count: int) -> None:
        """Of the oldest samples, keep what the runs test looks at."""
        if count:
            self._first += count
            self._oldest = max(self._oldest, self._first - (self._end - self._first))

    def _fit(self) -> None:
        now_s = self._times_s.last
        times_s = self._times_s.part(self._oldest, self._end) - now_s
        self.line = best_line(
            times_s,
            self._corrected(times_s),
            self._variances(),
            older=self._first - self._oldest,
            fewest=FEWEST_SAMPLES,
        )
        self.line_s = now_s
        self._forget(self.line.start if self.line else 0)
        ages_s = now_s - self._times_s.part(self._first, self._end)
        distances_s = self._root_distances_s.part(self._first, self._end) + ages_s * self.skew
        self._best = self._first + int(distances_s.argmin())

    def _variances(self) -> Vector:
        """Samples count less the further their distance is above the smallest one."""
        distances_s = self._distances_s.part(self._first, self._end)
        least_s = float(distances_s.min())
        unit_s = (float(np.median(distances_s)) - least_s) / DEVIATION_TO_DISTANCE
        unit_s = min(max(unit_s, LOCAL_PRECISION_S), least_s)
        excess_s = np.maximum(distances_s - least_s - LOCAL_PRECISION_S, 0)
        return np.asarray((1 + excess_s / unit_s) ** 2)

    def _corrected(self, times_s: Vector) -> Vector:
        """Offsets without what a delay that is always on one way does to them."""
        offsets_s = self._offsets_s.part(self._oldest, self._end)
        delays_s = self._delays_s.part(self._oldest, self._end)
        excess_s = delays_s - delays_s.min()
        slope = delay_slope(times_s, offsets_s, excess_s)
        if slope is None or slope * self._asymmetric_in_a_row < 0:
            self._asymmetric_in_a_row = 0
            return offsets_s
        if abs(slope) >= NOTABLE_ASYMMETRY:
            self._asymmetric_in_a_row += 1 if slope > 0 else -1
        if abs(self._asymmetric_in_a_row) < NOTABLE_IN_A_ROW:
            return offsets_s
        slope = min(max(slope, -MOST_ASYMMETRY), MOST_ASYMMETRY)
        return np.asarray(offsets_s - slope * excess_s)

    def interval(self, now_s: float) -> Interval:
        """Where the truth lies, by the sample with the least root distance."""
        age_s = now_s - self._times_s.at(self._best)
        middle_s = self._offsets_s.at(self._best) + age_s * self.frequency
        distance_s = self._root_distances_s.at(self._best) + age_s * self.skew
        distance_s += self._staleness_s(now_s)
        return Interval(middle_s - distance_s, middle_s + distance_s, distance_s)

    def _staleness_s(self, now_s: float) -> float:
        """Where nothing is heard for longer than the history spans, it becomes uncertain."""
        first_s = now_s - self._times_s.at(self._first)
        last_s = now_s - self._times_s.last
        return MAX_CLOCK_ERROR * max(2 * last_s - first_s, 0)


class _Column:
    """Numbers one after another, of which any stretch is an array without copying."""

    def __init__(self) -> None:
        self._values: Vector = np.empty(256)
        self._count = 0

    def append(self, value: float) -> None:
        if self._count == len(self._values):
            self._values = np.concatenate([self._values, np.empty(self._count)])
        self._values[self._count] = value
        self._count += 1

    def part(self, first: int, end: int) -> Vector:
        return self._values[first:end]

    def at(self, index: int) -> float:
        return float(self._values[index])

    @property
    def last(self) -> float:
        return self.at(self._count - 1)
