"""What the record says: the time, its bound, what it is worth. Read from shared memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from chronotick.client.errors import ClockUnsynchronised
from chronotick.metrics.metric import Labels, Metric, Told, counter, gauge
from chronotick.shm.layout import Status
from chronotick.views import Snapshot, TimeReading
from chronotick.views.reading import reading_of

NS = 1e-9


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a record that a daemon publishes.

    Attributes:
        status: as people write it.
        reading: the time; ``None`` where the daemon has none to offer.
        age_s: how long ago that was anchored (s).
    """

    status: str
    reading: TimeReading | None = None
    age_s: float | None = None


def look(snapshot: Snapshot) -> Look:
    """Read the record.

    Raises:
        DaemonUnavailable: nobody publishes one.
    """
    try:
        record, raw_ns = snapshot.clock.read()
    except ClockUnsynchronised as error:
        return Look(error.status.words)
    reading = reading_of(record, raw_ns)
    return Look(reading.status, reading, (raw_ns - record.anchor_raw_ns) * NS)


def _served(read: Callable[[TimeReading], float]) -> Callable[[Look], Told]:
    return lambda seen: None if seen.reading is None else read(seen.reading)


def _status(seen: Look) -> Mapping[Labels, float]:
    return {(status.words,): status.words == seen.status for status in Status}


METRICS: tuple[Metric, ...] = (
    gauge("chronotick_status", "1 for the present state, 0 for every other.", _status, "state"),
    gauge(
        "chronotick_reliable",
        "1: the daemon vouches for the bounds (synchronised or holdover).",
        lambda seen: seen.reading is not None and seen.reading.reliable,
    ),
    gauge(
        "chronotick_system_offset_seconds",
        "How far the system clock is ahead of served time.",
        _served(lambda now: now.system_minus_time_ns * NS),
    ),
    gauge(
        "chronotick_bound_seconds",
        "Half-width of the hard interval around served time.",
        _served(lambda now: now.bound_ns * NS),
    ),
    gauge(
        "chronotick_sigma_seconds",
        "Calibrated standard uncertainty of served time.",
        _served(lambda now: now.sigma_ns * NS),
    ),
    gauge(
        "chronotick_measurement_age_seconds",
        "Age of the newest accepted measurement.",
        _served(lambda now: now.measured_ago_s),
    ),
    counter(
        "chronotick_measurements_total",
        "Measurements accepted since the daemon started.",
        _served(lambda now: now.measurements),
    ),
    gauge(
        "chronotick_record_age_seconds",
        "Age of the record's anchor: how long ago served time was last steered.",
        lambda seen: seen.age_s,
    ),
    gauge(
        "chronotick_epoch",
        "Changes whenever served time was allowed to jump.",
        _served(lambda now: now.epoch),
    ),
)
