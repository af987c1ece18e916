"""A recording that a daemon made of itself: its debug trace."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chronotick.lab.recordings.recording import Recording
from chronotick.shm.layout import Status


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A question that stayed without a valid answer."""

    raw_ns: int
    source: str
    refused: bool = False


@dataclass(frozen=True, slots=True)
class NextPoll:
    """The poll interval of a source changed."""

    raw_ns: int
    source: str
    poll_s: float


@dataclass(frozen=True, slots=True)
class Slept:
    """The host was suspended.

    Attributes:
        raw_ns: when that was noticed.
        suspended_ns: how long it had slept by then, since boot.
    """

    raw_ns: int
    suspended_ns: int


Happening = Unanswered | NextPoll | Slept


@dataclass(frozen=True, slots=True, kw_only=True)
class Began:
    """What a daemon went on from.

    Attributes:
        believed: sources that were believed before.
        timekeeper: snapshot of it; ``None``: the clock was begun anew.
        skill: snapshot of the models' scores.
    """

    believed: frozenset[str]
    timekeeper: dict[str, Any] | None
    skill: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What the daemon itself knew at an instant.

    Attributes:
        raw_ns: the instant.
        offset_ns: UTC - RAW.
        sigma_ns: calibrated standard uncertainty.
        bound_ns: hard bound of the offset's error.
        status: of the clock.
        weights: of the models.
    """

    raw_ns: int
    offset_ns: int
    sigma_ns: int
    bound_ns: int
    status: Status
    weights: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedRecording(Recording):
    """Measurements, and all else that a replay has to know to do what the daemon did.

    Attributes:
        start_raw_ns: when its clockwork began.
        suspended_ns: how long the host had slept by then.
        began: what the daemon went on from; ``None``: not known.
        config: its configuration, as JSON types.
        happenings: what happened besides measurements, in order.
        plans: what it knew itself, in order.
    """

    start_raw_ns: int
    suspended_ns: int
    began: Began | None
    config: Mapping[str, Any]
    happenings: tuple[Happening, ...]
    plans: tuple[Planned, ...]

    @property
    def measurements_alone(self) -> Recording:
        """The same as a recording like any other, for comparisons with those."""
        return Recording(path=self.path, format=self.format, arrivals=self.arrivals)

    def instants(self, start_ns: int | None = None, until_ns: int | None = None) -> tuple[int, ...]:
        """Local times of its plans, within limits where they are given."""
        local_ns = (self.local_ns(plan.raw_ns) for plan in self.plans)
        return tuple(
            each
            for each in local_ns
            if (start_ns is None or each >= start_ns) and (until_ns is None or each <= until_ns)
        )
