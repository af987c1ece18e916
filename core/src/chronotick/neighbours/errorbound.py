"""How far the *system clock* may be off, as ClockBound publishes it, from a record of ours.

A client of ClockBound 2 reads CLOCK_REALTIME and CLOCK_MONOTONIC_COARSE itself and widens a bound
by ``max_drift`` times the age of the statement. So the statement is about the system clock, which
ChronoTick does not touch: its distance from served time, plus the hard bound of served time.
"""

from __future__ import annotations

import enum
import math
import struct
import time
from dataclasses import dataclass

from chronotick.neighbours.standing import Standing
from chronotick.ntp.timestamps import MAX_SLEW, ClockPair, RawScale, read_pair
from chronotick.shm.layout import Status
from chronotick.shm.record import bound_at, time_at

NS_PER_S = 1_000_000_000

CLOCK_MONOTONIC_COARSE = 6
"""Linux, linux/time.h; the time module does not name it."""

LEAST_DRIFT = 50e-6
"""What upstream recommends for an ordinary oscillator (``--max-drift-rate 50``)."""

NO_BOUND_NS = 1 << 60
"""36 years: what a client is told that does not look at the status."""

_MOST_DRIFT_PPB = 999_999_999  # clients take more for a damaged segment
_BODY = struct.Struct("@qqqqqQIiB7x")


class ClockStatus(enum.IntEnum):
    """As ClockBound numbers them."""

    UNKNOWN = 0
    SYNCHRONIZED = 1
    FREE_RUNNING = 2
    DISRUPTED = 3


_STATUSES = {
    Status.SYNCHRONISED: ClockStatus.SYNCHRONIZED,
    Status.HOLDOVER: ClockStatus.FREE_RUNNING,
    Status.DISRUPTED: ClockStatus.DISRUPTED,
}


@dataclass(frozen=True, slots=True)
class Reading:
    """The clocks at one moment.

    Attributes:
        coarse_ns: CLOCK_MONOTONIC_COARSE, read before the pair.
        pair: CLOCK_REALTIME and CLOCK_MONOTONIC_RAW.
    """

    coarse_ns: int
    pair: ClockPair


def read_clocks() -> Reading:
    """Read the clocks that a statement compares."""
    return Reading(time.clock_gettime_ns(CLOCK_MONOTONIC_COARSE), read_pair())


@dataclass(frozen=True, slots=True)
class SystemRate:
    """How fast CLOCK_REALTIME runs against CLOCK_MONOTONIC_RAW.

    Attributes:
        rate: relative, 0 is equally fast.
        uncertainty: of the rate.
        stepped: it did not run, it was set.
    """

    rate: float = 0.0
    uncertainty: float = MAX_SLEW
    stepped: bool = False


def system_rate(before: ClockPair, after: ClockPair) -> SystemRate:
    """The rate between two moments, or after a step the widest that the kernel slews with."""
    elapsed_ns = after.raw_ns - before.raw_ns
    noise_ns = before.window_ns + after.window_ns
    moved_ns = RawScale(before, after).moved_ns
    if elapsed_ns <= 0 or abs(moved_ns) > noise_ns + elapsed_ns * MAX_SLEW:
        return SystemRate(stepped=True)
    return SystemRate(moved_ns / elapsed_ns, noise_ns / 2 / elapsed_ns)


@dataclass(frozen=True, slots=True)
class ErrorBound:
    """One statement about the system clock.

    Attributes:
        as_of_ns: CLOCK_MONOTONIC_COARSE when it was made.
        void_after_ns: CLOCK_MONOTONIC_COARSE after which it says nothing.
        bound_ns: largest error of CLOCK_REALTIME at ``as_of_ns``.
        disruption_marker: changes when the clock was disrupted.
        max_drift_ppb: growth of the bound, ns per second.
        status: what the statement is worth.
    """

    as_of_ns: int
    void_after_ns: int
    bound_ns: int
    disruption_marker: int
    max_drift_ppb: int
    status: ClockStatus

    def pack(self) -> bytes:
        """The 64 bytes that follow a segment's header.

        Disruption support is declared off: with it, clients compare the marker with that of a
        virtual machine's ``/dev/vmclock0``, which ours does not come from.
        """
        return _BODY.pack(
            *divmod(self.as_of_ns, NS_PER_S),
            *divmod(self.void_after_ns, NS_PER_S),
            self.bound_ns,
            self.disruption_marker,
            self.max_drift_ppb,
            self.status,
            0,
        )


def error_bound(
    standing: Standing, reading: Reading, system: SystemRate, marker: int
) -> ErrorBound:
    """What can be said of the system clock now.

    With s the system clock, c served time and t true time: ``|s - t| <= |s - c| + |c - t|``, where
    the second is at most the hard bound and grows with the record's ``bound_rate``, the first grows
    with the difference of the two clocks' rates. A coarse clock shows the elapsed time too short by
    up to one of its ticks, for which the bound has the drift of one tick on top.
    """
    record = standing.record
    if record is None:
        status = _STATUSES.get(standing.status, ClockStatus.UNKNOWN)
        as_of_ns = reading.coarse_ns
        return ErrorBound(as_of_ns, as_of_ns, NO_BOUND_NS, marker, _MOST_DRIFT_PPB, status)
    raw_ns = reading.pair.raw_ns
    apart_ns = abs(reading.pair.realtime_ns - time_at(record, raw_ns))
    drift = record.bound_rate + abs(system.rate - record.rate) + system.uncertainty
    drift = max(drift, LEAST_DRIFT)
    valid_ns = max(0, record.void_after_raw_ns - raw_ns)
    return ErrorBound(
        as_of_ns=reading.coarse_ns,
        void_after_ns=reading.coarse_ns + int(valid_ns * (1 - MAX_SLEW)),
        bound_ns=apart_ns
        + bound_at(record, raw_ns)
        + (reading.pair.window_ns + 1) // 2
        + math.ceil(drift * _tick_ns()),
        disruption_marker=marker,
        max_drift_ppb=min(math.ceil(drift * 1e9), _MOST_DRIFT_PPB),
        status=_STATUSES[record.status],
    )


def _tick_ns() -> int:
    return round(time.clock_getres(CLOCK_MONOTONIC_COARSE) * 1e9)
