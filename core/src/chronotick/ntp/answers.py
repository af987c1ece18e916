"""What a source has answered lately: all that selection knows of it, without sockets or clocks."""

from __future__ import annotations

from collections import deque

from chronotick.ntp.clock_filter import STAGES, best_sample
from chronotick.ntp.drift import Drift, slope
from chronotick.ntp.measurement import Measurement
from chronotick.ntp.plausible import (
    DELAYS,
    PLAUSIBLE,
    READMITTED,
    USUAL,
    Meeting,
    Path,
    Witness,
)
from chronotick.ntp.selection import Candidate, Reason

REACH_BITS = 8
"""Questions that the reach register remembers (RFC 5905, section 9.2)."""
_WRONG = frozenset({Reason.FALSETICKER, Reason.NO_MAJORITY})
_UNUSUAL = frozenset({*_WRONG, Reason.CLUSTERED_OUT})


class Answers:
    """The recent answers of one source.

    Args:
        source: identifier.

    Attributes:
        source: identifier.
        reach: the last eight questions, one bit each, latest lowest: was there a valid reply?
        unanswered: questions without a valid reply since the last one.
        refused: the server refused service, and has not replied since.
        awaited: nothing came of any question yet, be it a reply or none, since the start or since
            everything was forgotten.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        self.reach = 0
        self.unanswered = 0
        self.refused = False
        self.awaited = True
        self._asked = False
        self._samples: deque[Measurement] = deque(maxlen=STAGES)
        self._delays_ns: deque[int] = deque(maxlen=DELAYS)
        self._slope: Drift | None = None

    def take(self, measurement: Measurement) -> None:
        """Take in an accepted reply."""
        self._count(replied=True)
        self.unanswered = 0
        self.refused = False  # it serves us after all: the refusal was forged
        self._samples.append(measurement)
        self._delays_ns.append(measurement.delay_ns)
        self._slope = slope(self._samples)

    def missed(self, *, refused: bool = False) -> None:
        """Take in a question without a valid reply.

        Args:
            refused: the server refused service.
        """
        self._count(replied=False)
        self.unanswered += 1
        self.refused |= refused

    def _count(self, *, replied: bool) -> None:
        self._asked = True
        self.awaited = False
        self.reach = (self.reach << 1 | replied) & (1 << REACH_BITS) - 1

    def forget(self) -> None:
        """Drop the samples: UTC - CLOCK_MONOTONIC_RAW is no longer what they say."""
        self._samples.clear()
        self._delays_ns.clear()
        self._slope = None
        self.awaited = True

    @property
    def samples(self) -> list[Measurement]:
        """The samples in the clock filter, oldest first."""
        return list(self._samples)

    @property
    def slope(self) -> Drift | None:
        """Rate of UTC against CLOCK_MONOTONIC_RAW by this source alone; None where it is silent."""
        return self._slope if self.reach else None

    @property
    def newest_raw_ns(self) -> int | None:
        """When the newest sample was taken; None where there is none, or the source is silent."""
        return self._samples[-1].raw_ns if self._samples and self.reach else None

    def candidate(self, meeting: Meeting, before: Reason | None = None) -> Candidate:
        """What selection has to know, at a moment.

        Args:
            meeting: the moment, and how samples are compared.
            before: what selection last found when it could use the source.
        """
        if not self._samples or not self.reach:
            return Candidate(source=self.source, unusable=self._why_silent())
        drift, raw_ns = meeting.drift, meeting.raw_ns
        best = best_sample(self._samples, drift, raw_ns)
        path = Path(min(self._delays_ns), len(self._delays_ns))
        witness = Witness(best, self._samples[-1], path)
        return Candidate(
            source=self.source,
            stratum=best.stratum,
            offset_ns=drift.carry(best, raw_ns),
            root_distance_ns=best.root_distance_ns + drift.growth_ns(raw_ns - best.raw_ns),
            plausible=witness.interval(PLAUSIBLE * _allowed(before, _WRONG), meeting),
            usual=witness.interval(USUAL * _allowed(before, _UNUSUAL), meeting),
            doubted=before in _WRONG,
            authenticated=best.authenticated,
        )

    def _why_silent(self) -> Reason:
        if self.refused:
            return Reason.KISS
        return Reason.UNREACHABLE if self._asked and not self.reach else Reason.NOT_MEASURED


def _allowed(before: Reason | None, exceeded: frozenset[Reason]) -> float:
    return READMITTED if before in exceeded else 1.0
