"""What is told about a source: the material of ``chronotick sources``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from chronotick.ntp.measurement import Stamps
from chronotick.ntp.selection import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceReport:
    """One source at one moment. What is not known (yet) is None.

    Attributes:
        id: identifier, as in ``Measurement.source``; the configured text while unresolved.
        name: the server as configured.
        address: numeric address, or path of a socket; empty while unresolved.
        port: UDP port; 0 with a path.
        reason: why it is used or not; its value is one letter, ``reason.words`` says it in words.
        poll_s: present poll interval.
        reach: the last eight exchanges, one bit each, latest lowest; commonly shown in octal.
        drops: dropped replies and failed exchanges, counted by reason.
        last_error: the last failure in words; it may be long past where ``reach`` is odd.
        stratum: of the last reply.
        reference_id: the server's own reference.
        stamps: kind of the local timestamps of the last reply.
        authenticated: the last reply was authenticated.
        age_s: seconds since the last accepted reply.
        offset_ns: UTC - CLOCK_MONOTONIC_RAW now, by the best recent sample.
        system_offset_ns: UTC - the system clock now, by the same sample.
        delay_ns: that sample's delay.
        jitter_ns: scatter of the recent samples.
        root_distance_ns: hard bound of the offset's error now.
    """

    id: str
    name: str
    address: str = ""
    port: int = 0
    reason: Reason
    poll_s: float | None = None
    reach: int = 0
    drops: Mapping[str, int] = field(default_factory=dict)
    last_error: str = ""
    stratum: int | None = None
    reference_id: str = ""
    stamps: Stamps | None = None
    authenticated: bool = False
    age_s: float | None = None
    offset_ns: int | None = None
    system_offset_ns: int | None = None
    delay_ns: int | None = None
    jitter_ns: int | None = None
    root_distance_ns: int | None = None
