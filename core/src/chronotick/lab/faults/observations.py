"""What readers tell, line by line, and what it amounts to.

==========  =====================================================================================
line        fields
==========  =====================================================================================
count       RAW, reads, outside, backward, torn, untyped, fullest, reads and ns by `Outcome`; sums
            since the reader began
edge        RAW of the last good read and 0, or of the first one and 1
sample      RAW, epoch, served time
outside     true time was not in the interval: everything about it
backward    served time was less than before: everything about it
torn        RAW, sequence of a record whose CRC does not fit
untyped     RAW, an exception that no reader may raise
==========  =====================================================================================
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

ORDER_DELAY_NS: Final = 3_000_000_000
"""So much later all readers have told what they saw at an instant."""
_HEAD: Final = 8  # words before the numbers by outcome


class Outcome(enum.IntEnum):
    """What came of a read; those up to STALE gave a time."""

    FRESH = 0
    HOLDOVER = 1
    STALE = 2
    UNSYNCHRONISED = 3
    UNAVAILABLE = 4


@dataclass(frozen=True, slots=True)
class Counted:
    """What readers counted; counts of several are added.

    Attributes:
        reads: attempts to read.
        outside: true time was not within the interval.
        backward: served time stepped back within an epoch.
        torn: records whose CRC did not fit.
        untyped: exceptions that are none of ChronoTick's.
        fullest: how much of the interval true time took at most.
        by_outcome: reads.
        spent_ns: time, by outcome.
    """

    reads: int = 0
    outside: int = 0
    backward: int = 0
    torn: int = 0
    untyped: int = 0
    fullest: float = 0.0
    by_outcome: tuple[int, ...] = (0,) * len(Outcome)
    spent_ns: tuple[int, ...] = (0,) * len(Outcome)

    def __add__(self, other: Counted) -> Counted:
        """Both together."""
        return Counted(
            self.reads + other.reads,
            self.outside + other.outside,
            self.backward + other.backward,
            self.torn + other.torn,
            self.untyped + other.untyped,
            max(self.fullest, other.fullest),
            _added(self.by_outcome, other.by_outcome),
            _added(self.spent_ns, other.spent_ns),
        )

    @property
    def shares(self) -> dict[str, float]:
        """Shares of time, by outcome."""
        total = sum(self.spent_ns) or 1
        return {each.name.lower(): self.spent_ns[each] / total for each in Outcome}

    @classmethod
    def of(cls, words: list[str]) -> Counted:
        """Of the words of a line ``count``."""
        reads, outside, backward, torn, untyped = map(int, words[2 : _HEAD - 1])
        numbers = tuple(map(int, words[_HEAD:]))
        half = len(Outcome)
        return cls(
            reads, outside, backward, torn, untyped, float(words[7]), numbers[:half], numbers[half:]
        )


@dataclass(frozen=True, slots=True)
class Violation:
    """Something that must not be.

    Attributes:
        reader: who saw it.
        kind: ``outside``, ``backward``, ``torn``, ``untyped``, ``overconfident``.
        raw_ns: when.
        detail: everything about it.
    """

    reader: str
    kind: str
    raw_ns: int
    detail: str


@dataclass
class Report:
    """What one reader told, over all its lives.

    Attributes:
        name: of the reader.
        past: counted by its processes that have ended.
        now: counted by the present one.
        violations: what must not be.
        served: intervals (RAW, ns) in which it got times; the last one may be open.
    """

    name: str
    past: Counted = field(default_factory=Counted)
    now: Counted = field(default_factory=Counted)
    violations: list[Violation] = field(default_factory=list)
    served: list[tuple[int, int | None]] = field(default_factory=list)

    @property
    def total(self) -> Counted:
        """Of all its lives."""
        return self.past + self.now

    def restarted(self) -> None:
        """Its process ended; the next one counts anew."""
        self.past, self.now = self.total, Counted()
        if self.served and self.served[-1][1] is None:
            self.served[-1] = (self.served[-1][0], self.served[-1][0])

    def take(self, line: str) -> tuple[int, int, int] | None:
        """Take a line; a sample is returned as (RAW, epoch, served time)."""
        words = line.split(maxsplit=_HEAD + 2 * len(Outcome))
        match words[:1]:
            case ["count"]:
                self.now = Counted.of(words)
            case ["edge"]:
                self._take_edge(int(words[1]), good=words[2] == "1")
            case ["sample"]:
                return int(words[1]), int(words[2]), int(words[3])
            case [kind]:
                self.violations.append(Violation(self.name, kind, int(words[1]), line.strip()))
        return None

    def _take_edge(self, raw_ns: int, *, good: bool) -> None:
        if good:
            self.served.append((raw_ns, None))
        elif self.served:
            self.served[-1] = (self.served[-1][0], raw_ns)


class Order:
    """Whether served time stepped back from one process to another."""

    def __init__(self) -> None:
        self._waiting: list[tuple[int, int, int, str]] = []
        self._highest: dict[int, tuple[int, int, str]] = {}
        self.compared = 0
        self.violations: list[Violation] = []

    def take(self, reader: str, samples: Iterable[tuple[int, int, int]]) -> None:
        """Take what a reader saw: (RAW, epoch, served time)."""
        self._waiting += [(*each, reader) for each in samples]

    def look(self, raw_ns: int) -> None:
        """Compare what all readers have told by now."""
        due = sorted(each for each in self._waiting if each[0] < raw_ns - ORDER_DELAY_NS)
        self._waiting = [each for each in self._waiting if each[0] >= raw_ns - ORDER_DELAY_NS]
        for at_ns, epoch, served_ns, reader in due:
            before = self._highest.get(epoch)
            self.compared += 1
            if before is not None and served_ns < before[1]:
                told = f"backward-between {reader} {served_ns} at {at_ns}, epoch {epoch}, {before}"
                self.violations.append(Violation(reader, "backward", at_ns, told))
            if before is None or served_ns > before[1]:
                self._highest[epoch] = (at_ns, served_ns, reader)


def judged(
    silences: Iterable[tuple[int, int]], validity_ns: int, slack_ns: int
) -> list[tuple[int, int]]:
    """When nobody may have got a time, of silences that outlast a record (RAW, ns).

    Args:
        silences: when nothing was published because no daemon ran.
        validity_ns: how long a record holds.
        slack_ns: how late the beginning of a silence may have been noticed, and how long before
            its first good read a reader may date what it got.
    """
    found = [(began + validity_ns + slack_ns, ended - slack_ns) for began, ended in silences]
    return [(from_ns, to_ns) for from_ns, to_ns in found if from_ns < to_ns]


def overconfident(report: Report, empty: Iterable[tuple[int, int]]) -> list[Violation]:
    """Times that a reader got when nobody may have got one (`judged`)."""
    found = []
    for began_ns, ended_ns in empty:
        for from_ns, to_ns in report.served:
            last_ns = ended_ns if to_ns is None else min(to_ns, ended_ns)
            if last_ns > max(began_ns, from_ns):
                told = f"served from {from_ns} to {to_ns}, and had nothing in {began_ns}-{ended_ns}"
                found.append(Violation(report.name, "overconfident", last_ns, told))
    return found


def _added(some: tuple[int, ...], others: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(a + b for a, b in zip(some, others, strict=True))
