"""Selection as it goes on, without sockets or clocks.

:class:`Selector` is told what each source answered and asked whom to believe at a moment. The
daemon's :class:`~chronotick.ntp.monitor.NtpMonitor` feeds it live, a replay from a recording.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from chronotick.ntp.answers import Answers
from chronotick.ntp.drift import Drift, common_drift
from chronotick.ntp.measurement import Measurement
from chronotick.ntp.plausible import RECONCILED_S, Meeting
from chronotick.ntp.selection import JUDGED, Limits, Reason, Selection, select


class Selector:
    """Decides whom to believe, from what the sources answered.

    Args:
        limits: configured conditions.

    Attributes:
        limits: configured conditions; may be set at any time.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._answers: dict[str, Answers] = {}
        self._drift = Drift()
        self._found: dict[str, Reason] = {}
        self._agreeing_since_ns: int | None = None

    @property
    def drift(self) -> Drift:
        """Common rate of UTC against CLOCK_MONOTONIC_RAW, as of the last selection."""
        return self._drift

    def add(self, source: str) -> None:
        """Say that a source exists; one that is known already stays as it is."""
        self._answers.setdefault(source, Answers(source))

    def remove(self, source: str) -> None:
        """Say that a source is gone; an unknown one is ignored."""
        self._answers.pop(source, None)

    def watch(self, sources: Iterable[Answers]) -> None:
        """Replace all sources by these, whose answers somebody else takes in."""
        self._answers = {answers.source: answers for answers in sources}

    def take(self, measurement: Measurement) -> None:
        """Take in an accepted reply; a source seen for the first time is added."""
        self.add(measurement.source)
        self._answers[measurement.source].take(measurement)

    def missed(self, source: str, *, refused: bool = False) -> None:
        """Take in a question without a valid reply; a source seen for the first time is added.

        Args:
            source: identifier.
            refused: the server refused service (kiss code DENY or RSTR).
        """
        self.add(source)
        self._answers[source].missed(refused=refused)

    def forget(self) -> None:
        """Drop all samples, after UTC - CLOCK_MONOTONIC_RAW has jumped."""
        for answers in self._answers.values():
            answers.forget()
        self._found.clear()
        self._agreeing_since_ns = None

    def select(self, raw_ns: int) -> Selection:
        """Decide whom to believe.

        Args:
            raw_ns: CLOCK_MONOTONIC_RAW now; no sample may be younger.
        """
        meeting = self._meeting(raw_ns)
        selection = self._reconciled(meeting, self._judge(meeting, self._found))
        judged = {source: why for source, why in selection.reasons.items() if why in JUDGED}
        # A source that is silent for a while stays what it was:
        self._found = {s: why for s, why in self._found.items() if s in self._answers} | judged
        return selection

    def _judge(self, meeting: Meeting, before: Mapping[str, Reason]) -> Selection:
        candidates = [
            answers.candidate(meeting, before.get(source))
            for source, answers in self._answers.items()
        ]
        return select(candidates, self.limits, meeting.raw_ns)

    def _reconciled(self, meeting: Meeting, selection: Selection) -> Selection:
        """Forgive sources that have no majority, once new ones in their place long had one.

        They are held to a stricter standard than at a start lest they are in and out all the time.
        But where nobody is believed there is no majority that any of them contradicts: two honest
        servers whose routes differ would not be believed again for good after one disturbance.
        """
        if Reason.NO_MAJORITY not in selection.reasons.values():
            self._agreeing_since_ns = None
            return selection
        forgiven = {s: why for s, why in self._found.items() if why is not Reason.NO_MAJORITY}
        anew = self._judge(meeting, forgiven)
        if Reason.NO_MAJORITY in anew.reasons.values():
            self._agreeing_since_ns = None
            return selection
        if self._agreeing_since_ns is None:
            self._agreeing_since_ns = meeting.raw_ns
        agreed_ns = meeting.raw_ns - self._agreeing_since_ns
        return anew if agreed_ns >= RECONCILED_S * 1_000_000_000 else selection

    def _meeting(self, raw_ns: int) -> Meeting:
        everyone = self._answers.values()
        self._drift = common_drift(each.slope for each in everyone)
        newest = sorted(ns for each in everyone if (ns := each.newest_raw_ns) is not None)
        middle_ns = newest[len(newest) // 2] if newest else raw_ns
        return Meeting(self._drift, raw_ns, middle_ns)
