"""Where true time plausibly is by one source: much tighter than where it can possibly be.

The correctness interval of RFC 5905, offset ± (delay/2 + what the server admits), allows for a
packet that took no time at all in one direction. Real routes are far from that: on an idle path
the error is 1 to 3 % of the round trip at the median, and below 9 to 26 % in 99 of 100 (world-wide
monitors of a GPS server). And what a sample queued beyond the shortest round trip of its path can
have moved its offset by half of that, no further. So a sample is believed within

    (delay - shortest)/2 + asymmetry · shortest + precision + root delay/2 + root dispersion,

wider by the drift's uncertainty over the time that it is moved. The asymmetry allowed is one of
two: ``PLAUSIBLE``, which hardly any route exceeds, and ``USUAL``, which few do. The first sample of
a path may be the one that queued for all of its delay: with n delays seen it is (1 + 1/n) times as
much, so that one sample is plausibly off by all that is possible.

All this is ChronoTick's own; what is *proven* stays RFC 5905's.
"""

from __future__ import annotations

from dataclasses import dataclass

from chronotick.ntp.drift import Drift
from chronotick.ntp.marzullo import Interval
from chronotick.ntp.measurement import Measurement

PLAUSIBLE = 0.25
"""Error of an idle path, as a fraction of its round trip, that is hardly exceeded; 0.5 never is."""
USUAL = 0.1
"""Error of an idle path, as a fraction of its round trip, that few routes exceed."""
READMITTED = 0.5
"""How much of it a source that exceeded it is allowed until it agrees again: hysteresis."""
RECONCILED_S = 1200
"""How long sources without a majority agree as closely as new ones must, to be believed again."""
DELAYS = 64
"""Delays among which a path's shortest is looked for; a longer route is the new one after them."""
WANDER = 5e-6
"""Least growth of what is plausible, s/s: the rate changes while samples age, by temperature."""


@dataclass(frozen=True, slots=True)
class Path:
    """What is known of the way to a source.

    Attributes:
        shortest_ns: shortest recent round trip.
        seen: how many round trips that is the shortest of.
    """

    shortest_ns: int
    seen: int

    def error_ns(self, sample: Measurement, asymmetry: float) -> int:
        """How wrong a sample of this path plausibly was when it was taken.

        Args:
            sample: the sample.
            asymmetry: allowed error of the idle path, as a fraction of its round trip.
        """
        queued_ns = (sample.delay_ns - self.shortest_ns) // 2
        route_ns = round(asymmetry * (1 + 1 / self.seen) * self.shortest_ns)
        # What the server admits, and both clocks' precision:
        return queued_ns + route_ns + sample.root_distance_ns - sample.delay_ns // 2


@dataclass(frozen=True, slots=True)
class Meeting:
    """How samples of different age are compared.

    All are moved to the same moment by the same rate, so that they disagree because of that rate's
    error only as far as they are apart in time: an oscillator that ran away has run away for all.

    Attributes:
        drift: common rate.
        raw_ns: CLOCK_MONOTONIC_RAW to which the offsets are carried: now.
        middle_ns: CLOCK_MONOTONIC_RAW in the midst of the samples: how far they are from there is
            what the drift's uncertainty counts for.
    """

    drift: Drift
    raw_ns: int
    middle_ns: int

    def interval(self, sample: Measurement, error_ns: int) -> Interval:
        """Where a sample, known to be wrong by no more than an error, puts UTC - RAW."""
        offset_ns = self.drift.carry(sample, self.raw_ns)
        rate = max(self.drift.uncertainty, WANDER)
        half_ns = error_ns + round(rate * abs(sample.raw_ns - self.middle_ns))
        return offset_ns - half_ns, offset_ns + half_ns


@dataclass(frozen=True, slots=True)
class Witness:
    """A source's samples, and what is known of the way there.

    Attributes:
        best: the sample that the clock filter believes.
        newest: the last one.
        path: the way.
    """

    best: Measurement
    newest: Measurement
    path: Path

    def interval(self, asymmetry: float, meeting: Meeting) -> Interval:
        """Where the source puts UTC - RAW: where its best and its newest sample both do.

        The best alone would let a server that has begun to lie pass until the last honest sample
        has aged. Where the two contradict each other the server or the route has changed, and the
        newest speaks for it.

        Args:
            asymmetry: allowed error of the idle path, as a fraction of its round trip.
            meeting: how samples are compared.
        """
        last = meeting.interval(self.newest, self.path.error_ns(self.newest, asymmetry))
        if self.newest is self.best:
            return last
        quiet = meeting.interval(self.best, self.path.error_ns(self.best, asymmetry))
        both = max(last[0], quiet[0]), min(last[1], quiet[1])
        return both if both[0] <= both[1] else last
