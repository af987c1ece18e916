"""The record as a value, and what it says about an instant.

Everything here is integer nanoseconds and pure. The C reader (``chronotick.h``) computes the same
numbers to the last bit; ``docs/record.md`` states the formulas.
"""

from __future__ import annotations

import math
import struct
import sys
from dataclasses import dataclass, replace
from operator import attrgetter

from chronotick.shm.layout import BODY_FORMAT, FIELDS, MAGIC, Flags, Source, Status
from chronotick.shm.now import Now

MAX_UTC_NS = 1 << 62
"""Largest |anchor_utc_ns| (the year 2116): with age and bound added it still fits an int64."""

MAX_WIDTH_NS = 1 << 61
"""Largest bound and sigma at the anchor."""

MAX_AGE_NS = 1 << 53
"""Oldest age that is extrapolated: 104 days, the longest that float64 holds to the nanosecond."""

MAX_RATE = 0.5
"""Largest |rate|: no oscillator and no slew comes near; beyond it the record is damaged."""

MAX_GROWTH = 1.0
"""Largest growth of bound and sigma (s/s)."""

SUSPEND_TOLERANCE_NS = 10_000_000
"""Growth of ``suspended_ns`` that means a suspend: the daemon may round the field to 10 ms."""

SERVING = (Status.WARMING_UP, Status.SYNCHRONISED, Status.HOLDOVER)
"""Statuses with a usable time."""

READY = (Status.SYNCHRONISED, Status.HOLDOVER)
"""Statuses with a time and bounds one may rely on."""

_BODY = struct.Struct(BODY_FORMAT)
_MAGIC_WORD = int.from_bytes(MAGIC, sys.byteorder)
_CONFIDENCE_ONE = 65535
_STATUSES = {int(status): status for status in Status}
_SOURCES = {int(source): source for source in Source}


@dataclass(frozen=True, slots=True)
class Record:
    """One published statement about time: the body of the shared record.

    Fields and units are those of :data:`chronotick.shm.layout.FIELDS`; ``confidence`` is a fraction
    between 0 and 1 here. The default is a record that says nothing about any instant.
    """

    anchor_raw_ns: int = 0
    anchor_utc_ns: int = 0
    rate: float = 0.0
    bound_ns: int = 0
    bound_rate: float = 0.0
    sigma_ns: int = 0
    sigma_rate: float = 0.0
    void_after_raw_ns: int = -1
    status: Status = Status.UNKNOWN
    flags: Flags = Flags(0)  # noqa: RUF009 - an immutable enum member
    system_minus_utc_ns: int = 0
    suspended_ns: int = 0
    last_sync_raw_ns: int = 0
    measurements: int = 0
    confidence: float = 0.0
    source: Source = Source.NONE
    tai_minus_utc: int = 0
    epoch: int = 0


def pack(record: Record) -> bytes:
    """Encode a record as the 112 bytes that stand at offset 8.

    Raises:
        ValueError: a value does not fit its field, or no reader would accept the record.
    """
    require_plausible(record)
    values = list(_FIELD_VALUES(record))
    values[_CONFIDENCE] = round(record.confidence * _CONFIDENCE_ONE)
    try:
        return _BODY.pack(*values, _MAGIC_WORD)
    except struct.error as error:
        raise ValueError(f"record not publishable: {error} in {record}") from error


def unpack(body: bytes) -> Record:
    """Decode the 112 bytes at offset 8; every byte pattern gives a record one may compute with.

    Impossible numbers (NaN, overflow: a damaged record) give a record that says nothing. A status
    or source that this version does not know is read as unknown or none.

    Raises:
        struct.error: not 112 bytes.
    """
    values = list(_BODY.unpack(body)[:-1])
    values[_STATUS] = _STATUSES.get(values[_STATUS], Status.UNKNOWN)
    values[_FLAGS] = Flags(values[_FLAGS])
    values[_CONFIDENCE] /= _CONFIDENCE_ONE
    values[_SOURCE] = _SOURCES.get(values[_SOURCE], Source.NONE)
    record = Record(*values)
    return Record() if implausible(record) else record


def implausible(record: Record) -> str:
    """Say what makes a record unusable at any time (overflow, NaN, negative width), or ``""``."""
    if not -MAX_RATE <= record.rate <= MAX_RATE:  # written so that NaN fails
        return f"rate {record.rate!r} is not within ±{MAX_RATE}"
    for name in ("bound_rate", "sigma_rate"):
        if not 0.0 <= getattr(record, name) <= MAX_GROWTH:
            return f"{name} {getattr(record, name)!r} is not within 0 and {MAX_GROWTH}"
    for name in ("bound_ns", "sigma_ns"):
        if not 0 <= getattr(record, name) <= MAX_WIDTH_NS:
            return f"{name} {getattr(record, name)} is not within 0 and 2**61"
    if not -MAX_UTC_NS <= record.anchor_utc_ns <= MAX_UTC_NS:
        return f"anchor_utc_ns {record.anchor_utc_ns} is not within ±2**62"
    if not 0.0 <= record.confidence <= 1.0:
        return f"confidence {record.confidence!r} is not within 0 and 1"
    return ""


def require_plausible(record: Record) -> None:
    """Refuse a record that no reader would accept.

    Raises:
        ValueError: its numbers are impossible.
    """
    problem = implausible(record)
    if problem:
        raise ValueError(f"record not publishable: {problem}")


def is_void(record: Record, raw_ns: int) -> bool:
    """Whether the record says nothing about this instant: too early or too late."""
    age_ns = raw_ns - record.anchor_raw_ns
    return not 0 <= age_ns <= MAX_AGE_NS or raw_ns > record.void_after_raw_ns


def time_at(record: Record, raw_ns: int) -> int:
    """Served Unix time (ns) at a RAW instant, of a record that is not void.

    The one mapping of the design: ``anchor_utc + d + d * rate`` with ``d = raw - anchor_raw``; the
    product is rounded toward zero.
    """
    age_ns = raw_ns - record.anchor_raw_ns
    return record.anchor_utc_ns + age_ns + int(age_ns * record.rate)


def bound_at(record: Record, raw_ns: int) -> int:
    """Half-width (ns) of the hard interval at a RAW instant. It never shrinks with age."""
    return record.bound_ns + _grown(record, raw_ns, record.bound_rate)


def sigma_at(record: Record, raw_ns: int) -> int:
    """Calibrated standard uncertainty (ns) at a RAW instant. It never shrinks with age."""
    return record.sigma_ns + _grown(record, raw_ns, record.sigma_rate)


def interval_at(record: Record, raw_ns: int) -> Now:
    """Return what a record that is not void says about a RAW instant."""
    estimate_ns = time_at(record, raw_ns)
    bound_ns = bound_at(record, raw_ns)
    return Now(
        estimate_ns - bound_ns,
        estimate_ns + bound_ns,
        estimate_ns,
        sigma_at(record, raw_ns),
        record.status,
    )


def continued(record: Record, previous: Record, raw_ns: int) -> Record:
    """Move a record's anchor to ``raw_ns`` such that served time does not step back there.

    If ``previous`` is ahead of ``record`` at that instant, the difference is added to the served
    time and, since it is no part of the estimate, to the bound. The estimator approaches its own
    estimate by slewing; this closes the microseconds between its anchor and the publication.
    """
    estimate_ns = time_at(record, raw_ns)
    lift_ns = max(0, time_at(previous, raw_ns) - estimate_ns)
    return replace(
        record,
        anchor_raw_ns=raw_ns,
        anchor_utc_ns=estimate_ns + lift_ns,
        bound_ns=min(bound_at(record, raw_ns) + lift_ns, MAX_WIDTH_NS),
        sigma_ns=min(sigma_at(record, raw_ns), MAX_WIDTH_NS),
        system_minus_utc_ns=record.system_minus_utc_ns - lift_ns,
    )


def _grown(record: Record, raw_ns: int, growth: float) -> int:
    return math.ceil(max(0, raw_ns - record.anchor_raw_ns) * growth)


_NAMES = [field.name for field in FIELDS[1:-3]]
_FIELD_VALUES = attrgetter(*_NAMES)
_STATUS, _FLAGS = _NAMES.index("status"), _NAMES.index("flags")
_CONFIDENCE, _SOURCE = _NAMES.index("confidence"), _NAMES.index("source")
