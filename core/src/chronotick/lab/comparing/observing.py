"""The daemon's selection and estimator over a recording, without publishing anything.

What a model would have been given at an instant, and what the estimator itself says of later ones.
Nothing after the instant has been seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chronotick.clock import ContextWindow
from chronotick.config.schema import Config, Predictor
from chronotick.daemon.clockwork import Clockwork
from chronotick.daemon.status import StateMachine
from chronotick.daemon.timekeeper import Timekeeper
from chronotick.lab.recordings.recording import Recording
from chronotick.lab.replaying.driving import PLAN_PERIOD_NS
from chronotick.lab.replaying.host import NoMemory
from chronotick.lab.replaying.sources import RecordedSources
from chronotick.shm.record import READY

NEVER_NS = 2**63
NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Expected:
    """What the estimator says of an instant, on the RAW axis.

    Attributes:
        offset_ns: UTC - RAW.
        sigma_s: calibrated standard uncertainty.
        low_ns, high_ns: hard limits of it; ``None`` where nothing has bounded the error.
    """

    offset_ns: int
    sigma_s: float
    low_ns: int | None
    high_ns: int | None


Learnt = tuple[int, int, float, float]
"""A measurement that was learnt from: RAW time, offset in ns, noise in s, expected error in s."""


class Observer:
    """A daemon that measures and estimates, on the virtual time of a recording.

    Args:
        recording: what it measures.
        config: as the daemon's.
    """

    def __init__(self, recording: Recording, config: Config) -> None:
        first_ns = recording.arrivals[0].raw_ns
        self.learnt: list[Learnt] = []
        self._keeper = Timekeeper(config)
        self._sources = RecordedSources(config.clock_measurement)
        self._state = StateMachine(lambda _change: None, first_ns)
        self._clockwork = Clockwork(
            self._keeper,
            NoMemory(),
            self._state,
            config.clock_measurement,
            raw_ns=first_ns,
            suspended_ns=0,
        )
        self._arrivals = recording.arrivals
        self._taken = 0
        self._bounded: set[str] = set()
        self._planned_ns = first_ns
        warm_up = config.clock_measurement.timing.warm_up
        self._warm_up_ns = round(warm_up.duration_seconds * NS_PER_S)

    def until(self, raw_ns: int) -> None:
        """Take what arrives until an instant, that instant included."""
        while True:
            arrival_ns, miss_ns = self._next_arrival_ns(), self._sources.next_miss_ns or NEVER_NS
            if min(arrival_ns, miss_ns) > raw_ns:
                self._plan_until(raw_ns)
                return
            self._plan_until(min(arrival_ns, miss_ns) - 1)
            if arrival_ns <= miss_ns:
                self._arrive()
            else:
                self._sources.miss(miss_ns)

    def window(self, raw_ns: int, step_ns: int, length: int) -> ContextWindow | None:
        """What models know at an instant; ``None`` before the first measurement."""
        predictor = Predictor(step=step_ns / NS_PER_S, context_length=length)
        return self._keeper.window(predictor, raw_ns)

    def expect(self, instants_ns: Sequence[int]) -> list[Expected] | None:
        """What the estimator says of later instants; ``None`` before the first measurement."""
        bounded = not self._bounded.isdisjoint(self._sources.selected().survivors or self._bounded)
        found = []
        for raw_ns in instants_ns:
            fused = self._keeper.fused(raw_ns)
            limits = self._keeper.bound.at(raw_ns) if bounded else None
            if fused is None:
                return None
            low_ns, high_ns = (limits.low_ns, limits.high_ns) if limits else (None, None)
            found.append(Expected(fused.offset_ns, fused.sigma_s, low_ns, high_ns))
        return found

    def _plan_until(self, raw_ns: int) -> None:
        """Plan as often as the daemon does while that decides when the warm-up is over."""
        while (due_ns := self._planned_ns + PLAN_PERIOD_NS) <= raw_ns:
            lasted_ns = self._planned_ns - self._state.since_raw_ns
            if self._state.status in READY or lasted_ns > self._warm_up_ns:
                return
            self._plan(due_ns)

    def _plan(self, raw_ns: int) -> None:
        self._clockwork.plan(raw_ns, self._sources, models_ready=True)
        self._planned_ns = raw_ns

    def _next_arrival_ns(self) -> int:
        if self._taken == len(self._arrivals):
            return NEVER_NS
        return self._arrivals[self._taken].raw_ns

    def _arrive(self) -> None:
        arrival = self._arrivals[self._taken]
        self._taken += 1
        if not self._sources.arrive(arrival):
            return
        measurement = arrival.measurement
        if arrival.bounded:
            self._bounded.add(measurement.source)
        if self._clockwork.measure(measurement, self._sources):
            noise_s, error_s = self._keeper.said_of(measurement)
            self.learnt.append((measurement.raw_ns, measurement.offset_ns, noise_s, error_s))
            self._plan(arrival.raw_ns)
