"""What a node's clock really shows: true time from local time, and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chronotick.lab.ordering.errors import OrderingError
from chronotick.lab.recordings import Recording
from chronotick.lab.recordings.truths import OFFSET, TIME, read_truth

Instants = NDArray[np.int64]
Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class TrueTime:
    """Local and true time of the same instants; linear between them.

    True times of nodes are compared with each other: they must have the same origin.

    Attributes:
        local_ns: what the clock showed, ascending, int64 [n].
        true_ns: true time then, ascending, int64 [n].

    Raises:
        OrderingError: one of them does not ascend, or there are fewer than two instants.
    """

    local_ns: Instants
    true_ns: Instants

    def __post_init__(self) -> None:
        if len(self.local_ns) < 2:  # noqa: PLR2004 - of a line
            raise OrderingError("the truth is known at a single instant: two make a time")
        for words, times in (("local", self.local_ns), ("true", self.true_ns)):
            back = np.flatnonzero(np.diff(times) <= 0)
            if back.size:
                at_s = self.local_ns[back[0]] * 1e-9
                raise OrderingError(
                    f"{words} time does not run forward after local time {at_s:.3f} s: a clock "
                    "that was set back? Split the recording there"
                )

    @classmethod
    def read(cls, path: str) -> TrueTime:
        """Read a table of the truth (``t_local_s``, ``offset_s``).

        Raises:
            RecordingError: it cannot be read.
            OrderingError: it does not run forward.
        """
        columns = read_truth(path)
        local, offset = (np.rint(columns[name]).astype(np.int64) for name in (TIME, OFFSET))
        return cls(local, local + offset)

    @classmethod
    def of(cls, recording: Recording) -> TrueTime:
        """Take the offsets of a recording for the truth: those of a GNSS receiver.

        Raises:
            OrderingError: there are several sources: they cannot all be the truth.
        """
        sources = list(recording.counts)
        if len(sources) > 1:
            raise OrderingError(
                f"{recording.path} has {len(sources)} sources ({', '.join(sources[:3])}, ...). The "
                "truth is of one: a GNSS receiver of the node"
            )
        measured = [arrival.measurement for arrival in recording.arrivals]
        local = np.array([recording.local_ns(each.raw_ns) for each in measured], dtype=np.int64)
        offset = [each.offset_ns + recording.shift_ns for each in measured]
        return cls(local, local + np.array(offset, dtype=np.int64))

    @property
    def span_ns(self) -> tuple[int, int]:
        """First and last true time that is known."""
        return int(self.true_ns[0]), int(self.true_ns[-1])

    def local_at(self, true_ns: Instants) -> Instants:
        """What the clock shows at true times within the span, ns."""
        return _carried(true_ns, self.true_ns, self.local_ns)

    def true_at(self, local_ns: Instants) -> Instants:
        """True time when the clock shows this; beyond the ends with the offset of the end."""
        return local_ns + self.offset_at(local_ns)

    def offset_at(self, local_ns: Instants) -> Instants:
        """True time - local clock, ns."""
        ages = (local_ns - self.local_ns[0]).astype(np.float64)
        known = self.true_ns - self.local_ns
        points = (self.local_ns - self.local_ns[0]).astype(np.float64)
        change = np.interp(ages, points, (known - known[0]).astype(np.float64))
        offset: Instants = known[0] + np.rint(change).astype(np.int64)
        return offset


def _carried(at: Instants, ours: Instants, theirs: Instants) -> Instants:
    """Interpolate on differences: a float holds Unix time to 0.2 us only."""
    ages = np.interp(
        (at - ours[0]).astype(np.float64),
        (ours - ours[0]).astype(np.float64),
        (theirs - theirs[0]).astype(np.float64),
    )
    carried: Instants = theirs[0] + np.rint(ages).astype(np.int64)
    return carried
