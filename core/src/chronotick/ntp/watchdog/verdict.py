"""The verdict: whether servers of a large pool agree with served time (RFC 9523, Khronos).

The servers that a clock is measured by may lie, all of them. A watchdog asks others: at each of its
moments a few, chosen at random from a large pool, so that nobody knows who will be asked, and who
holds a small part of the pool almost never holds most of a sample. Of each sample the lowest and
the highest third are dropped, and the rest is compared with served time. Where they do not go
together several times in a row, the whole pool is asked ("panic").

Here is the decision alone, on numbers. It differs from the RFC in four points, since this watchdog
gives alarm and sets no clock:

- what served time may be wrong by (ERR) is what is published with it: its hard bound;
- the thirds are those of the servers that were *asked*. Who can make honest servers silent does not
  get a larger share of the sample by it; he only makes it worth nothing;
- the rest of the whole pool must agree as well, within `2 w`, or nothing is concluded from it;
- after a panic the failures are counted anew.

Errors are a server's time minus served time, in nanoseconds.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass


class Verdict(enum.Enum):
    """What came of asking several servers."""

    AGREES = "agrees"
    CONTRADICTS = "contradicts"
    DIVIDED = "divided"
    """The middle third of them is not of one opinion."""
    SILENT = "silent"
    """Too few answered for any conclusion."""


@dataclass(frozen=True, slots=True)
class Compared:
    """One server's answer beside served time, at the moment of the answer.

    Attributes:
        error_ns: its time minus served time.
        bound_ns: the hard bound that was published with it.
    """

    error_ns: int
    bound_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What came of asking several servers, with its figures.

    Attributes:
        verdict: that.
        asked: how many were asked.
        answered: how many answered.
        mean_ns: mean error of the middle third; None with too few answers, as the next two.
        spread_ns: largest minus smallest error of the middle third.
        allowed_ns: what the mean may be: the widest bound of those moments plus ``2 w``.
    """

    verdict: Verdict
    asked: int
    answered: int
    mean_ns: int | None = None
    spread_ns: int | None = None
    allowed_ns: int | None = None


def judge(answers: Sequence[Compared], *, asked: int, w_ns: int) -> Finding:
    """Compare a sample with served time (RFC 9523, section 4).

    Whatever a third of those asked says, the middle third lies between the lowest and the highest
    honest error.

    Args:
        answers: of those who answered.
        asked: how many were asked.
        w_ns: how far an honest server's time, as seen from here, may be from UTC.
    """
    dropped = asked // 3
    middle = sorted(answer.error_ns for answer in answers)[dropped : len(answers) - dropped]
    if not middle:
        return Finding(verdict=Verdict.SILENT, asked=asked, answered=len(answers))
    mean_ns, spread_ns = round(sum(middle) / len(middle)), middle[-1] - middle[0]
    allowed_ns = max(answer.bound_ns for answer in answers) + 2 * w_ns
    verdict = Verdict.AGREES if abs(mean_ns) <= allowed_ns else Verdict.CONTRADICTS
    return Finding(
        verdict=verdict if spread_ns <= 2 * w_ns else Verdict.DIVIDED,
        asked=asked,
        answered=len(answers),
        mean_ns=mean_ns,
        spread_ns=spread_ns,
        allowed_ns=allowed_ns,
    )


class Tally:
    """Counts findings, and knows when it is time for a panic and whether there is an alarm.

    Args:
        panic_trigger: how many samples in a row must fail before the whole pool is asked (K).

    Attributes:
        panic_trigger: the same.
        failures: samples that have failed since the last that agreed, or the last panic.
        alarm: the finding of the whole pool that served time is wrong, until a sample agrees.
        from_before: the alarm is of before a restart, and nobody has confirmed it since.
        alarms: how many have begun.
        panics: how often the whole pool was asked.
        samples: how many samples there were of each verdict.
        last: the newest finding.
    """

    def __init__(self, panic_trigger: int) -> None:
        self.panic_trigger = panic_trigger
        self.failures = 0
        self.alarm: Finding | None = None
        self.from_before = False
        self.alarms = 0
        self.panics = 0
        self.samples = dict.fromkeys(Verdict, 0)
        self.last: Finding | None = None

    @property
    def panics_next(self) -> bool:
        """So many samples in a row have failed that the whole pool is to be asked."""
        return self.failures >= self.panic_trigger

    def sampled(self, finding: Finding) -> None:
        """Take in what came of a sample; silence is no evidence."""
        self.last = finding
        self.samples[finding.verdict] += 1
        if finding.verdict is Verdict.AGREES:
            self.failures = 0
            self._end()
        elif finding.verdict is not Verdict.SILENT:
            self.failures += 1

    def panicked(self, finding: Finding) -> None:
        """Take in what the whole pool said; where it is divided or silent, all stays as it was."""
        self.last = finding
        self.panics += 1
        self.failures = 0
        if finding.verdict is Verdict.AGREES:
            self._end()
        elif finding.verdict is Verdict.CONTRADICTS:
            self.alarms += self.alarm is None
            self.alarm, self.from_before = finding, False

    def restore(self, alarm: Finding) -> None:
        """Let an alarm of before a restart stand again, until a sample or the pool says more."""
        self.alarm, self.from_before = alarm, True

    def drop(self) -> None:
        """End an alarm that nobody can check."""
        self._end()

    def _end(self) -> None:
        self.alarm, self.from_before = None, False
