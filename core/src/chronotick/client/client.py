"""``ChronoTickClient``: corrected time in the terms of the first ChronoTick."""

from __future__ import annotations

import math
import os
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, final

from chronotick.client.errors import (
    ChronoTickError,
    ClockUnsynchronised,
    DaemonUnavailable,
    TargetPassed,
)
from chronotick.client.instants import NS_PER_S, ceil_ns, floor_ns
from chronotick.client.served import ServedClock

if TYPE_CHECKING:
    from chronotick.shm.record import Record

LONGEST_FUTURE_S = 3600.0
MAX_SYSTEM_SLEW = 500e-6
"""How fast the system clock may have run away from true time: the kernel's limit (adjtimex)."""

_SPIN_NS = 1_000_000  # sleeping wakes up to some hundred microseconds late
_LONGEST_SLEEP_S = 0.5  # then look whether the estimate of the remaining time has changed
_ASK_TIMEOUT_S = 1.0


class CorrectedTime(NamedTuple):
    """A moment in corrected time.

    Attributes:
        corrected_timestamp: corrected Unix time (s).
        system_timestamp: system time (CLOCK_REALTIME) at the same instant (s).
        uncertainty_seconds: calibrated standard uncertainty, one sigma (s); infinite without a
            daemon, and between a suspend of the host and the daemon's next publication. The hard
            bounds are in :func:`chronotick.now` and :func:`chronotick.time_detailed`.
        confidence: measured against nominal coverage of the daemon's intervals, 0 to 1; 0 where the
            uncertainty is infinite.
        source: ``ntp``, ``model``, ``fusion``, ``holdover``, ``no_data``; ``system`` where there
            was nothing to correct with.
        offset_correction: ``corrected_timestamp - system_timestamp`` (s).
        drift_rate: d(UTC)/d(CLOCK_MONOTONIC_RAW) - 1 of the served line (s/s), what is slewed at
            the moment included; the oscillator's own is ``frequency_ppm`` of the daemon's status.
    """

    corrected_timestamp: float
    system_timestamp: float
    uncertainty_seconds: float
    confidence: float
    source: str
    offset_correction: float
    drift_rate: float


@final
class ChronoTickClient:
    """Reads corrected time from a daemon's record; opens it at the first call.

    Where no daemon serves time, the getters return system time with source ``"system"`` and
    infinite uncertainty, and :class:`SystemTimeWarning` is issued once. Also a context manager.

    Args:
        path: the record; default: ``$CHRONOTICK_SHM``, else ``/dev/shm/chronotick_shm``.
        control: control socket of the daemon that serves this record; default:
            ``$CHRONOTICK_CONTROL``, else ``control.sock`` in the runtime directory. A daemon has
            one of its own, so name both where ``path`` is not the default.
        pure: use the reader in Python even where the one in C is there.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        control: str | os.PathLike[str] | None = None,
        pure: bool = False,
    ) -> None:
        self._path = path
        self._control = control
        self._pure = pure
        self._clock: ServedClock = ServedClock(path, pure=pure)

    def get_time(self) -> CorrectedTime:
        """Return corrected time now."""
        return self.get_future_time(0.0)

    def get_future_time(self, seconds: float) -> CorrectedTime:
        """Return what corrected time will be, with the uncertainty it will have grown to.

        It is what the present record says, without any further measurement; the system clock is
        taken to run on as true time does.

        Args:
            seconds: from now on, 0 to 3600.

        Raises:
            ValueError: outside that range.
        """
        if not 0.0 <= seconds <= LONGEST_FUTURE_S:
            raise ValueError(f"{seconds!r} s: must be between 0 and {LONGEST_FUTURE_S:g}")
        from chronotick.shm import clocks
        from chronotick.shm.record import sigma_at, time_at

        ahead_ns = floor_ns(seconds)
        served = self._read_or_warn()
        if served is None:
            return _uncorrected(time.time_ns() + ahead_ns)
        record, raw_ns = served
        now_ns, system_ns = time_at(record, raw_ns), raw_ns + clocks.system_minus_raw_ns()
        then_ns = time_at(record, raw_ns + ahead_ns)
        return _corrected(
            record, then_ns, then_ns - (now_ns - system_ns), sigma_at(record, raw_ns + ahead_ns)
        )

    def translate(self, system_timestamp: float) -> CorrectedTime:
        """Return the corrected time of a moment that was stamped with the system clock earlier.

        The offset is the present one. To the uncertainty is added how far the system clock may
        have been slewed since the stamp (500 ppm, the kernel's limit), and what it has moved by
        since the record was written. That somebody *stepped* it in between cannot be seen here.

        Args:
            system_timestamp: from ``time.time()``, a file, a log (Unix s).

        Raises:
            ValueError: not finite.
        """
        from chronotick.shm import clocks
        from chronotick.shm.record import sigma_at, time_at

        system_ns = floor_ns(system_timestamp)
        served = self._read_or_warn()
        if served is None:
            return _uncorrected(system_ns)
        record, raw_ns = served
        offset_now_ns = raw_ns + clocks.system_minus_raw_ns() - time_at(record, raw_ns)
        moved_ns = abs(offset_now_ns - record.system_minus_utc_ns)
        age_ns = abs(system_ns - (record.anchor_utc_ns + record.system_minus_utc_ns))
        slewed_ns = math.ceil(age_ns * MAX_SYSTEM_SLEW)
        sigma_ns = sigma_at(record, raw_ns) + moved_ns + slewed_ns
        return _corrected(record, system_ns - record.system_minus_utc_ns, system_ns, sigma_ns)

    def is_daemon_ready(self) -> bool:
        """Whether a living daemon vouches for the time: synchronised, or in holdover."""
        try:
            self._clock.now()
        except (DaemonUnavailable, ClockUnsynchronised):
            return False
        return True

    def wait_until(self, target: float, tolerance_ms: float = 1.0) -> None:
        """Wait until corrected time has reached a moment; never return before it.

        Sleeps, and spins for the last millisecond. The record is read again meanwhile, so a
        correction of the clock changes the wait.

        Args:
            target: the moment (Unix s).
            tolerance_ms: how much too late the call may be.

        Raises:
            TargetPassed: it passed longer ago than that (a ``ValueError``).
            ValueError: ``target`` is not finite or the tolerance is negative.
            DaemonUnavailable: there is no daemon, or it went away during the wait.
            ClockUnsynchronised: the daemon has no time to offer.
        """
        if not tolerance_ms >= 0.0:
            raise ValueError(f"tolerance_ms {tolerance_ms!r} must not be negative")
        target_ns = ceil_ns(target)
        late_ns = self._served_ns() - target_ns
        if late_ns > tolerance_ms * 1e6:
            raise TargetPassed(target, late_ns / NS_PER_S)
        while (remaining_ns := target_ns - self._served_ns()) > 0:
            if remaining_ns > _SPIN_NS:
                time.sleep(min((remaining_ns - _SPIN_NS) / NS_PER_S, _LONGEST_SLEEP_S))

    def get_daemon_info(self) -> dict[str, Any]:
        """Describe the daemon.

        Returns:
            ``status`` (``ready``, ``warming_up``, ``unknown``, ``disrupted``, ``unavailable``),
            ``warmup_complete``, ``ntp_ready``, ``models_ready``, ``measurement_count``,
            ``confidence``, ``data_source``, ``last_ntp_sync`` (Unix s), ``seconds_since_ntp``; and,
            None unless the daemon answers on its control socket, ``daemon_uptime`` (s),
            ``average_latency_ms`` (of the models), ``total_corrections`` (publications).
        """
        from chronotick.client.info import daemon_info

        return daemon_info(self._clock, self._told())

    def close(self) -> None:
        """Let go of the record. The next call opens it again."""
        self._clock = ServedClock(self._path, pure=self._pure)

    def __enter__(self) -> ChronoTickClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    def _read_or_warn(self) -> tuple[Record, int] | None:
        try:
            return self._clock.read()
        except (DaemonUnavailable, ClockUnsynchronised) as reason:
            self._clock.warn(reason)
            return None

    def _served_ns(self) -> int:
        from chronotick.shm.record import time_at

        return time_at(*self._clock.read())

    def _told(self) -> dict[str, Any]:
        from chronotick.client.control import ask

        try:
            told: dict[str, Any] = ask("status", socket_path=self._control, timeout=_ASK_TIMEOUT_S)
        except ChronoTickError:
            return {}
        return told


def _corrected(record: Record, time_ns: int, system_ns: int, sigma_ns: int) -> CorrectedTime:
    from chronotick.client.detailed import SOURCES
    from chronotick.shm.served import was_suspended

    suspended = was_suspended(record)
    return CorrectedTime(
        corrected_timestamp=time_ns / 1e9,
        system_timestamp=system_ns / 1e9,
        uncertainty_seconds=math.inf if suspended else sigma_ns / 1e9,
        confidence=0.0 if suspended else record.confidence,
        source=SOURCES[record.source],
        offset_correction=(time_ns - system_ns) / 1e9,
        drift_rate=record.rate,
    )


def _uncorrected(system_ns: int) -> CorrectedTime:
    seconds = system_ns / 1e9
    return CorrectedTime(seconds, seconds, math.inf, 0.0, "system", 0.0, 0.0)
