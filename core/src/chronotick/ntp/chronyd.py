"""A source that is no server: what the chronyd of this host believes of the system clock.

For hosts that must not send NTP themselves, or where chronyd has what is better than NTP, such as a
receiver. chronyd tells by how much it would still correct the system clock, so

    UTC - CLOCK_MONOTONIC_RAW = (CLOCK_REALTIME - CLOCK_MONOTONIC_RAW) + correction.

Both clocks are read before and after the question. That chronyd slews the system clock meanwhile
does no harm: what it has slewed is gone from the correction, and by how much the clocks moved
against each other during the question is allowed for.

Its answers are no measurements as those of servers are. Between its updates, seconds to an hour
apart, it extrapolates: asking more often repeats the same errors. Of one update the n-th answer is
therefore taken to be off by sqrt(n) times chronyd's root mean square offset, so that all of them
together are worth the logarithm of their number; and by the error of its frequency since. That is
the noise. What is constant in its errors, the asymmetry of its routes, cannot be seen from here:
its whole round trip to the reference clock stands as the delay of the measurement, so that the
estimator allows for asymmetry as with a server that far away. The root distance is what chronyd
states, half of that delay and its root dispersion; the noise is a part of the latter.
"""

from __future__ import annotations

import errno
import math
import socket
from collections import Counter

from chronotick.ntp.address import Endpoint
from chronotick.ntp.asking import Answer, Terms
from chronotick.ntp.checks import MAX_DISTANCE_NS
from chronotick.ntp.cmdmon import (
    FLOAT_RESOLUTION,
    CmdmonDrop,
    CmdmonDroppedError,
    Tracking,
    check_synchronised,
)
from chronotick.ntp.cmdmon_exchange import Report, ask_tracking
from chronotick.ntp.measurement import Measurement, Stamps
from chronotick.ntp.packet import NS_PER_S

STALE_UPDATES = 8
"""Missed updates after which chronyd counts as cut off (as many as its reach register holds)."""
STALE_AT_LEAST_S = 2048.0
"""Age at which an update may be old, at the earliest: two of chronyd's longest default polls."""
MAX_SLEW = 0.1
"""Fastest that chronyd slews: the kernel's limit for its tick. Anything faster is a step."""


class ChronydAsker:
    """Asks the chronyd of this host for its tracking.

    Args:
        endpoint: its command port on loopback, or its Unix socket.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._update: tuple[float, ...] = ()
        self._answers = 0  # of the same update

    async def ask(self, terms: Terms) -> Answer:
        """Ask once."""
        drops: Counter[CmdmonDrop] = Counter()
        try:
            report = await ask_tracking(self._endpoint, terms.timeout_s, drops)
            measurement = self._measure(report, terms)
        except CmdmonDroppedError as dropped:
            return _failed(drops, dropped.drop, str(dropped))
        except OSError as error:
            return _failed(drops, *_unreachable(error, self._endpoint))
        return Answer(measurement=measurement, drops=_by_name(drops))

    def _measure(self, report: Report, terms: Terms) -> Measurement:
        check_current(report)
        measurement = measured(report, str(self._endpoint), self._count(report.tracking))
        if measurement.root_distance_ns >= MAX_DISTANCE_NS:
            raise CmdmonDroppedError(CmdmonDrop.ROOT_DISTANCE)
        if measurement.delay_ns > terms.max_delay_ns:
            raise CmdmonDroppedError(CmdmonDrop.DELAY)
        return measurement

    def _count(self, tracking: Tracking) -> int:
        # Not by the time of the reference: chronyd moves that along whenever it slews.
        update: tuple[float, ...] = (
            tracking.reference_id,
            tracking.last_offset_s,
            tracking.update_interval_s,
        )
        self._answers = self._answers + 1 if update == self._update else 1
        self._update = update
        return self._answers


def check_current(report: Report) -> None:
    """Check that chronyd follows something, has done so lately, and was not interrupted.

    Raises:
        CmdmonDroppedError: it does not.
    """
    check_synchronised(report.tracking)
    patience_s = max(STALE_UPDATES * report.tracking.update_interval_s, STALE_AT_LEAST_S)
    if report.age_s > patience_s:
        raise CmdmonDroppedError(CmdmonDrop.STALE, f"its last update was {report.age_s:.0f} s ago")
    scale = report.scale
    elapsed_ns = scale.after.raw_ns - scale.before.raw_ns
    noise_ns = scale.before.window_ns + scale.after.window_ns
    if abs(scale.moved_ns) > noise_ns + elapsed_ns * MAX_SLEW:
        raise CmdmonDroppedError(CmdmonDrop.CLOCK_STEP, f"by {scale.moved_ns / NS_PER_S:+.6f} s")


def measured(report: Report, source: str, answers: int) -> Measurement:
    """Say what a report means for UTC - CLOCK_MONOTONIC_RAW.

    Args:
        report: one that is current.
        source: identifier.
        answers: how many there were of the same update, this one included.
    """
    tracking = report.tracking
    clocks_ns = report.scale.uncertainty_ns + _ns(abs(tracking.correction_s) * FLOAT_RESOLUTION)
    scatter_ns = _ns(
        math.hypot(math.sqrt(answers) * tracking.rms_offset_s, tracking.skew * report.age_s)
    )
    return Measurement(
        source=source,
        raw_ns=report.raw_ns,
        offset_ns=report.realtime_ns - report.raw_ns + round(tracking.correction_s * NS_PER_S),
        delay_ns=max(_ns(tracking.root_delay_s), 1),
        precision_ns=clocks_ns + scatter_ns,
        root_delay_ns=0,
        root_dispersion_ns=max(_ns(tracking.root_dispersion_s) - scatter_ns, 0),
        stratum=tracking.stratum,
        leap=tracking.leap,
        reference_id=tracking.reference_id,
        stamps=Stamps.USER,
    )


def _ns(seconds: float) -> int:
    return math.ceil(seconds * NS_PER_S)


def _failed(drops: Counter[CmdmonDrop], drop: CmdmonDrop, error: str) -> Answer:
    earlier = "; ".join(each.words for each in drops)
    drops[drop] += 1
    error = f"{error} (before that: {earlier})" if earlier else error
    return Answer(drops=_by_name(drops), error=error)


def _by_name(drops: Counter[CmdmonDrop]) -> Counter[str]:
    return Counter({drop.value: count for drop, count in drops.items()})


def _unreachable(error: OSError, endpoint: Endpoint) -> tuple[CmdmonDrop, str]:
    if isinstance(error, ConnectionRefusedError | FileNotFoundError):
        directive = "bindcmdaddress" if endpoint.family == socket.AF_UNIX else "cmdport"
        return CmdmonDrop.REFUSED, (
            f"{CmdmonDrop.REFUSED.words}. Check that chronyd runs on this host, in the same "
            f"container, and {directive} in its configuration"
        )
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return CmdmonDrop.NETWORK, (
            f"this user may not use the socket ({error.strerror or error}). Run the daemon as root "
            "or as chronyd's user, or configure the server as chronyd, which needs no permission"
        )
    return CmdmonDrop.NETWORK, f"{CmdmonDrop.NETWORK.words}: {error.strerror or error}"
