"""One accepted exchange with a source: what flows from the network into everything else."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Stamps(str, enum.Enum):
    """Where the local timestamps of an exchange came from, best first."""

    KERNEL = "kernel"  # transmit and receive stamped by the kernel
    KERNEL_RX = "kernel-rx"  # only the receive stamp; the transmit stamp is a user-space clock read
    USER = "user"  # both are user-space clock reads


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """UTC compared with CLOCK_MONOTONIC_RAW through one server, once.

    The sign is the field's: ``offset = true time - local clock``, the number to add. The local
    clock is CLOCK_MONOTONIC_RAW, which nobody steps or slews, so the offset is a large number of
    nanoseconds (UTC now minus time since boot) and is kept as an exact integer.

    Attributes:
        source: identifier of the server, stable over the run, e.g. ``"192.0.2.1:123"``.
        raw_ns: CLOCK_MONOTONIC_RAW at the middle of the exchange.
        offset_ns: UTC - CLOCK_MONOTONIC_RAW as this exchange saw it, ``((t2-t1)+(t3-t4))/2``.
        delay_ns: round trip without the server's hold time, ``(t4-t1)-(t3-t2)``, at least the
            precision. Of a chronyd, its whole round trip to the reference clock.
        precision_ns: resolution of both clocks plus what the kind of local timestamp adds; of a
            chronyd, how far its estimate scatters (:mod:`chronotick.ntp.chronyd`).
        root_delay_ns: the server's round trip to its reference clock; 0 of a chronyd.
        root_dispersion_ns: the server's own stated maximum error.
        stratum: 1 to 15.
        leap: leap indicator, 0 none, 1 insert, 2 delete.
        reference_id: the server's reference identifier, as sent.
        stamps: where the local timestamps came from.
        authenticated: the reply was authenticated (by NTS or a symmetric key).
        delay_known: false only in recordings that do not hold the delay: ``delay_ns`` is then the
            precision, and what is known of the error stands in ``root_dispersion_ns``.
    """

    source: str
    raw_ns: int
    offset_ns: int
    delay_ns: int
    precision_ns: int
    root_delay_ns: int
    root_dispersion_ns: int
    stratum: int
    leap: int = 0
    reference_id: int = 0
    stamps: Stamps = Stamps.KERNEL
    authenticated: bool = False
    delay_known: bool = True

    @property
    def root_distance_ns(self) -> int:
        """Half the delay to the reference clock plus its dispersion: the hard error bound now.

        True time lies within ``offset_ns ± root_distance_ns`` if the server is honest and each
        way took no less than no time (RFC 5905, section 11.2, without the ageing terms).
        """
        return (
            self.delay_ns // 2
            + self.precision_ns
            + self.root_delay_ns // 2
            + self.root_dispersion_ns
        )
