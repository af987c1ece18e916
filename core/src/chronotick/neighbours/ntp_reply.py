"""What the NTP server says, as a pure function of the record, the request and the times.

A client takes the half of root delay plus root dispersion for the largest error of the time it is
given (RFC 5905, section 11.2.1, the root distance). Ours is the hard bound, so both fields are
filled such that this sum is the bound at the moment of the reply, rounded up.
"""

from __future__ import annotations

import math

from chronotick.neighbours.reference import Reference
from chronotick.neighbours.standing import leap_of
from chronotick.ntp.packet import (
    LEAP_UNSYNCHRONISED,
    MODE_SERVER,
    NS_PER_S,
    Packet,
    ns_to_short,
    unix_ns_to_ntp,
)
from chronotick.shm.record import Record, bound_at, time_at

UNSYNCHRONISED_STRATUM = 16
_WORST_NS = 16 * NS_PER_S  # MAXDISP: what RFC 5905 takes for "no idea"


def precision_exponent(scatter_ns: int) -> int:
    """The precision field of stamps that scatter so much: log2 of seconds, rounded up."""
    return math.ceil(math.log2(scatter_ns / NS_PER_S))


def time_reply(
    request: Packet,
    record: Record,
    reference: Reference,
    *,
    precision: int,
    arrived_ns: int,
    leaves_ns: int,
) -> Packet:
    """The reply while the daemon vouches for a time.

    Args:
        request: what is answered.
        record: the daemon's newest record.
        reference: the source of its time.
        precision: of our time stamps, log2 of seconds.
        arrived_ns: when the request arrived (RAW); it may be a little before the record's anchor.
        leaves_ns: when the reply leaves (RAW).
    """
    bound_ns = bound_at(record, leaves_ns)
    root_delay = ns_to_short(min(reference.delay_ns, 2 * bound_ns))
    half_delay_ns = root_delay * NS_PER_S >> 17  # of 16.16 fixed-point seconds, rounded down
    return Packet(
        leap=leap_of(record),
        version=request.version,
        mode=MODE_SERVER,
        stratum=reference.stratum,
        poll=request.poll,
        precision=precision,
        root_delay=root_delay,
        root_dispersion=ns_to_short(bound_ns - half_delay_ns),
        reference_id=reference.reference_id,
        reference_timestamp=unix_ns_to_ntp(time_at(record, record.last_sync_raw_ns)),
        origin_timestamp=request.transmit_timestamp,
        receive_timestamp=unix_ns_to_ntp(time_at(record, arrived_ns)),
        transmit_timestamp=unix_ns_to_ntp(time_at(record, leaves_ns)),
    )


def unsynchronised_reply(
    request: Packet, *, precision: int, received_ns: int, sent_ns: int
) -> Packet:
    """The reply while nobody vouches for a time: leap 3 and stratum 16, which no client follows.

    Args:
        request: what is answered.
        precision: of our time stamps, log2 of seconds.
        received_ns: when the request arrived, by the system clock (Unix ns).
        sent_ns: when the reply leaves, by the system clock (Unix ns).
    """
    return Packet(
        leap=LEAP_UNSYNCHRONISED,
        version=request.version,
        mode=MODE_SERVER,
        stratum=UNSYNCHRONISED_STRATUM,
        poll=request.poll,
        precision=precision,
        root_dispersion=ns_to_short(_WORST_NS),
        origin_timestamp=request.transmit_timestamp,
        receive_timestamp=unix_ns_to_ntp(received_ns),
        transmit_timestamp=unix_ns_to_ntp(sent_ns),
    )
