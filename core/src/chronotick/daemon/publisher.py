"""From a plan to the record that readers see, many times a second.

Planning (where should time be, what is it worth?) happens in the event loop whenever something is
learnt. Publishing happens in a thread of its own: nothing the event loop does can delay it, and it
costs less. The two share one immutable value, which is replaced as a whole.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, replace
from typing import Protocol

from chronotick.clock import HostClocks
from chronotick.config.schema import Shm
from chronotick.daemon.steering import Served, Steering
from chronotick.daemon.system_clock import SystemClock
from chronotick.daemon.timekeeper import Target
from chronotick.shm.clocks import raw_ns as raw_now_ns
from chronotick.shm.layout import Flags, Source, Status
from chronotick.shm.record import MAX_WIDTH_NS, SUSPEND_TOLERANCE_NS, Record
from chronotick.shm.writer import RecordWriter

STALE_PLAN_NS = 5_000_000_000  # five times the period of plans without an event
STEER_PERIOD_NS = 95_000_000  # a little less than ten times a second
LOOK_PERIOD_NS = 1_000_000_000  # how often the file is looked after
ROUNDING_NS = 2  # of served time and its growth

_log = logging.getLogger("chronotick.daemon")


class Writer(Protocol):
    """Where records go."""

    def write(self, record: Record) -> Record:
        """Publish one record and return what readers now see."""

    def renew(self, validity_ns: int) -> None:
        """Publish that the last record holds for so long from now on."""

    def ensure_in_place(self) -> bool:
        """Make the file anew if somebody removed it; return whether that was so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What a record says besides the time; it changes with events, not with ticks."""

    status: Status
    flags: Flags
    source: Source
    confidence: float
    last_sync_raw_ns: int
    measurements: int


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything the publisher is told.

    Attributes:
        made_raw_ns: when it was made.
        target: where time should be; ``None``: there is no time to offer.
        about: what the record says besides.
        suspended_ns: as it was when this was planned. If the host has slept since, the target
            says nothing any more.
        generation: served time may jump when this changes.
        marker: VMClock's, as it was when this was planned. If it has changed since, the same holds.
    """

    made_raw_ns: int
    target: Target | None
    about: Description
    suspended_ns: int
    generation: int = 0
    marker: int | None = None


class Publisher:
    """Extrapolates the target to now, steers served time to it and writes the record.

    Args:
        writer: where records go.
        steering: keeps served time continuous.
        validity_ns: how long a record may be used.
        epoch: of the last record of the daemon before.
    """

    def __init__(self, writer: Writer, steering: Steering, validity_ns: int, epoch: int) -> None:
        self._writer = writer
        self._steering = steering
        self._validity_ns = validity_ns
        self._epoch = epoch
        self._generation = 0
        self._plan: Plan | None = None
        self._steered_raw_ns = 0
        self._looked_raw_ns = 0
        self._silent = False
        self.published = 0
        self.renewed = 0
        self.system = SystemClock()
        self.record: Record | None = None

    @classmethod
    def continuing(cls, writer: RecordWriter, shm: Shm) -> Publisher:
        """One whose epochs come after those of the record that is there.

        Readers may remember the epoch of a record that has been removed or damaged since. The
        seconds of this boot are beyond it: served time is stepped less than once a second.
        """
        last = writer.last()
        steering = Steering(shm.max_slew_ppm * 1e-6, round(shm.step_threshold_seconds * 1e9))
        epoch = last.epoch if last else raw_now_ns() // 1_000_000_000
        return cls(writer, steering, round(shm.validity_seconds * 1e9), epoch)

    @property
    def system_steps(self) -> int:
        """How often somebody has set the system clock."""
        return self.system.steps

    def keeps_silent(self, raw_ns: int, plan: Plan) -> bool:
        """Whether the plan is too old to be vouched for: whoever makes plans hangs.

        Nothing is published then, and readers see the record end at its validity.
        """
        stale = raw_ns - plan.made_raw_ns > STALE_PLAN_NS
        if stale and not self._silent:
            _log.error("no plan for %.0f s: publication stops", STALE_PLAN_NS * 1e-9)
        self._silent = stale
        return stale

    def renew(self, raw_ns: int, suspended_ns: int, plan: Plan) -> bool:
        """Publish that the standing record still holds, if that is all there is to do.

        A record is a line that readers extrapolate, and steering it ten times a second is enough.
        Publications in between extend its validity, at a fraction of the cost.

        Returns:
            False if :meth:`tick` is due: the plan is new, the host has slept, or it is time to
            steer.
        """
        if (
            plan is not self._plan
            or raw_ns - self._steered_raw_ns >= STEER_PERIOD_NS
            or suspended_ns - plan.suspended_ns > SUSPEND_TOLERANCE_NS
        ):
            return False
        self._writer.renew(self._validity_ns)
        self.renewed += 1
        return True

    def hurry(self) -> None:
        """Let nothing be renewed before the next tick: the system clock was set."""
        self._plan = None

    def tick(self, clocks: HostClocks, plan: Plan, *, moved: bool = False) -> None:
        """Publish the time at ``clocks`` as planned; none if the machine has moved since."""
        self._tell_of_silence(clocks.raw_ns)
        self._plan, self._steered_raw_ns = plan, clocks.raw_ns
        self.system.look(clocks)
        self._watch_file(clocks.raw_ns)
        if plan.generation != self._generation:
            self._generation = plan.generation
            self._steering.forget()
        if moved or clocks.slept_since(plan.suspended_ns):
            about = replace(plan.about, status=Status.DISRUPTED)
            record = self._without_time(clocks, about, clocks.suspended_ns)
        elif plan.target is None:
            record = self._without_time(clocks, plan.about, plan.suspended_ns)
        else:
            record = self._with_time(clocks, plan.target, plan.about, plan.suspended_ns)
        self.record = self._writer.write(record)
        self.published += 1

    def _tell_of_silence(self, raw_ns: int) -> None:
        silent_ns = raw_ns - self._steered_raw_ns  # what is renewed is steered soon before or after
        if self.published and silent_ns > self._validity_ns:
            _log.warning(
                "nothing was published for %.1f s (stopped, or kept from the processor); "
                "readers had no time",
                silent_ns * 1e-9,
            )

    def _with_time(
        self, clocks: HostClocks, target: Target, about: Description, suspended_ns: int
    ) -> Record:
        raw_ns = clocks.raw_ns
        age = raw_ns - target.raw_ns
        utc_ns = raw_ns + target.offset_ns + round(target.rate * age)
        served = self._steering.steer(raw_ns, utc_ns, target.rate)
        if served.stepped:
            self._epoch = (self._epoch + 1) % 2**32
        sigma_ns = target.sigma_ns + target.sigma_rate * max(age, 0)
        return self._record(
            clocks,
            about,
            suspended_ns,
            anchor_utc_ns=served.utc_ns,
            rate=served.rate,
            bound_ns=_half_width(served, target),
            bound_rate=max(target.high_rate - served.rate, served.rate - target.low_rate, 0.0),
            sigma_ns=math.ceil(math.hypot(sigma_ns, served.residual_ns)),
            # The line is slewed: followed for long, it leaves the estimate at that rate.
            sigma_rate=target.sigma_rate + abs(served.rate - target.rate),
        )

    def _without_time(self, clocks: HostClocks, about: Description, suspended_ns: int) -> Record:
        self._steering.forget()
        return self._record(
            clocks,
            about,
            suspended_ns,
            anchor_utc_ns=clocks.system_ns,
            rate=0.0,
            bound_ns=MAX_WIDTH_NS,
            bound_rate=0.0,
            sigma_ns=MAX_WIDTH_NS,
            sigma_rate=0.0,
        )

    def _record(
        self,
        clocks: HostClocks,
        about: Description,
        suspended_ns: int,
        *,
        anchor_utc_ns: int,
        rate: float,
        bound_ns: int,
        bound_rate: float,
        sigma_ns: int,
        sigma_rate: float,
    ) -> Record:
        return Record(
            anchor_raw_ns=clocks.raw_ns,
            anchor_utc_ns=anchor_utc_ns,
            rate=rate,
            bound_ns=bound_ns,
            bound_rate=bound_rate,
            sigma_ns=sigma_ns,
            sigma_rate=sigma_rate,
            void_after_raw_ns=clocks.raw_ns + self._validity_ns,
            status=about.status,
            flags=about.flags,
            system_minus_utc_ns=clocks.system_ns - anchor_utc_ns,
            suspended_ns=suspended_ns,
            last_sync_raw_ns=about.last_sync_raw_ns,
            measurements=about.measurements,
            confidence=about.confidence,
            source=about.source,
            tai_minus_utc=0,  # NTP does not carry it
            epoch=self._epoch,
        )

    def _watch_file(self, raw_ns: int) -> None:
        if raw_ns - self._looked_raw_ns < LOOK_PERIOD_NS:
            return
        self._looked_raw_ns = raw_ns
        if self._writer.ensure_in_place():
            _log.warning("the record had been removed by someone; it was made anew")


def _half_width(served: Served, target: Target) -> int:
    """Distance in ns from served time to the farther hard limit."""
    age = served.raw_ns - target.raw_ns
    offset_ns = served.utc_ns - served.raw_ns
    low = target.low_ns + math.floor(target.low_rate * age)
    high = target.high_ns + math.ceil(target.high_rate * age)
    return max(offset_ns - low, high - offset_ns) + ROUNDING_NS
