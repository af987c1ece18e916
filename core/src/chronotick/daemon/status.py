"""The one state machine: what the served time is worth, and why it changed.

``unknown -> warming up -> synchronised <-> holdover -> (disrupted) -> warming up``
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from chronotick.shm.layout import Status

WARM_UP_MEASUREMENTS = 4  # a frequency needs a few

_log = logging.getLogger("chronotick.status")


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the state is judged by.

    Attributes:
        has_time: there is an estimate with a bound.
        warm_up_over: the configured warm-up has passed.
        measurements: accepted since start or disruption.
        believed: how many sources are believed now.
        silent_s: age of the newest accepted measurement.
        patience_s: age at which it is old.
    """

    has_time: bool
    warm_up_over: bool
    measurements: int
    believed: int
    silent_s: float
    patience_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """A change of state."""

    raw_ns: int
    before: Status
    after: Status
    reason: str


class StateMachine:
    """Holds the state and makes every change known once.

    What the sources call for may be overruled: then readers are told that time is disrupted, while
    `status` goes on as if nothing were the matter. What is made known is what readers are told.

    Args:
        on_transition: told of each change.
        raw_ns: RAW time at the start.
    """

    def __init__(self, on_transition: Callable[[Transition], None], raw_ns: int = 0) -> None:
        self._on_transition = on_transition
        self.status = Status.UNKNOWN
        self._reason = "no measurement yet"
        self._overruled = ""
        self.since_raw_ns = raw_ns
        self.counts: Counter[str] = Counter()

    def judge(self, raw_ns: int, facts: Facts) -> Status:
        """Move to the state that the facts call for and return it."""
        after, reason = _judge(self.status, facts)
        self.change(raw_ns, after, reason)
        return self.status

    def change(self, raw_ns: int, after: Status, reason: str) -> None:
        """Move to a state; nothing happens if it is the present one."""
        if after is self.status:
            return
        before, self.status, self._reason = self.told, after, reason
        self._tell(raw_ns, before, reason)

    def overrule(self, raw_ns: int, why: str) -> None:
        """Tell readers that time is disrupted, and why; from an empty reason on, no longer so."""
        before, ended = self.told, f"no longer: {self._overruled}"
        self._overruled = why
        self._tell(raw_ns, before, why or ended)

    @property
    def told(self) -> Status:
        """The state that readers are told."""
        return Status.DISRUPTED if self._overruled else self.status

    @property
    def reason(self) -> str:
        """Why readers are told that."""
        return self._overruled or self._reason

    def _tell(self, raw_ns: int, before: Status, reason: str) -> None:
        after = self.told
        if after is before:
            return
        self.since_raw_ns = raw_ns
        self.counts[after.name.lower()] += 1
        _log.info("%s -> %s: %s", before.words, after.words, reason)
        self._on_transition(Transition(raw_ns=raw_ns, before=before, after=after, reason=reason))


def _judge(status: Status, facts: Facts) -> tuple[Status, str]:
    if not facts.has_time:
        return (status if status is Status.DISRUPTED else Status.UNKNOWN), "no measurement"
    if status in {Status.UNKNOWN, Status.DISRUPTED}:
        return Status.WARMING_UP, "first measurement accepted"
    fresh = facts.believed > 0 and facts.silent_s <= facts.patience_s
    if status is Status.WARMING_UP:
        over = facts.warm_up_over and facts.measurements >= WARM_UP_MEASUREMENTS
        reason = f"warm-up over after {facts.measurements} measurements"
        return (Status.SYNCHRONISED if over and fresh else status), reason
    if fresh:
        return Status.SYNCHRONISED, "sources are believed again"
    silent = f"no measurement for {facts.silent_s:.0f} s"
    return Status.HOLDOVER, silent if facts.believed else "no source is believed or reachable"
