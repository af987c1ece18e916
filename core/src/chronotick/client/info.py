"""What a client can tell about the daemon: from the record, and from the daemon if it answers."""

from __future__ import annotations

from typing import Any

from chronotick.client.detailed import SOURCES, SYSTEM
from chronotick.client.errors import ClockUnsynchronised, DaemonUnavailable
from chronotick.client.served import ServedClock
from chronotick.shm.layout import Flags, Status
from chronotick.shm.record import READY, Record, time_at
from chronotick.shm.served import was_suspended

_TOLD = ("daemon_uptime", "average_latency_ms", "total_corrections")


def daemon_info(clock: ServedClock, told: dict[str, Any]) -> dict[str, Any]:
    """Describe the daemon behind a clock; the keys are those of ``get_daemon_info``.

    Args:
        clock: the record.
        told: what the daemon says of itself, empty if it does not answer.
    """
    try:
        record, raw_ns = clock.newest()
    except DaemonUnavailable:
        known = _of_record("unavailable", None, 0)
    else:
        known = _of_record(_status(clock, record), record, raw_ns)
    return known | {key: told.get(key) for key in _TOLD}


def _status(clock: ServedClock, record: Record) -> str:
    try:
        clock.read()
    except DaemonUnavailable:
        return "unavailable"
    except ClockUnsynchronised as error:
        return error.status.name.lower()
    if was_suspended(record):
        return Status.DISRUPTED.name.lower()
    return "ready" if record.status in READY else record.status.name.lower()


def _of_record(status: str, record: Record | None, raw_ns: int) -> dict[str, Any]:
    flags = record.flags if record else Flags(0)
    measured = record is not None and record.measurements > 0
    return {
        "status": status,
        "warmup_complete": bool(flags & Flags.WARM_UP_COMPLETE),
        "ntp_ready": bool(flags & Flags.NTP_READY),
        "models_ready": bool(flags & Flags.MODELS_READY),
        "measurement_count": record.measurements if record else 0,
        "confidence": record.confidence if record else 0.0,
        "data_source": SOURCES[record.source] if record else SYSTEM,
        "last_ntp_sync": (
            time_at(record, record.last_sync_raw_ns) / 1e9 if record and measured else None
        ),
        "seconds_since_ntp": (
            (raw_ns - record.last_sync_raw_ns) / 1e9 if record and measured else None
        ),
    }
