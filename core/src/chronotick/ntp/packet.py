"""The 48-byte NTPv4 packet and its number formats (RFC 5905, sections 6 and 7.3).

Timestamps stay 64-bit integers: a float holds 53 bits, and the last eleven are the nanoseconds.
"""

from __future__ import annotations

import hashlib
import ipaddress
import struct
from dataclasses import dataclass

HEADER = struct.Struct("!BBbb11I")
HEADER_BYTES = HEADER.size  # 48

VERSION = 4
MODE_CLIENT = 3
MODE_SERVER = 4
LEAP_UNSYNCHRONISED = 3

NS_PER_S = 1_000_000_000
UNIX_TO_NTP_S = 2_208_988_800
"""Seconds from 1900 (NTP's epoch) to 1970 (Unix's)."""

EARLIEST_NS = 1_767_225_600 * NS_PER_S
"""2026-01-01: this software never runs earlier, whatever a host without a clock battery says."""

_LEAP_BITS, _VERSION_BITS, _MODE_BITS = 2, 3, 3
_ERA = 1 << 64  # 2^32 s in units of 2^-32 s: the first era ends in February 2036
_MAX_PRECISION_EXPONENT = 6  # 64 s: beyond the 16 s at which a server counts as unsynchronised


class PacketError(ValueError):
    """Raised when bytes are not an NTP packet, or a field does not fit its place in one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """An NTP header as it is on the wire; any extension fields are left out.

    Attributes:
        leap: leap indicator, 0 to 3 (3: clock unsynchronised).
        version: protocol version, 0 to 7.
        mode: association mode, 0 to 7 (3 client, 4 server).
        stratum: 0 (unspecified, or a kiss code) to 255.
        poll: log2 of the poll interval in seconds, signed.
        precision: log2 of the clock's precision in seconds, signed.
        root_delay: round trip to the reference clock, 16.16 fixed-point seconds.
        root_dispersion: maximum error, 16.16 fixed-point seconds.
        reference_id: the server's reference, or the kiss code, 32 bits.
        reference_timestamp: when the server's clock was last set, 32.32 fixed-point seconds.
        origin_timestamp: the request's transmit timestamp, echoed.
        receive_timestamp: when the request arrived.
        transmit_timestamp: when this packet left.
    """

    leap: int = 0
    version: int = VERSION
    mode: int = MODE_CLIENT
    stratum: int = 0
    poll: int = 0
    precision: int = 0
    root_delay: int = 0
    root_dispersion: int = 0
    reference_id: int = 0
    reference_timestamp: int = 0
    origin_timestamp: int = 0
    receive_timestamp: int = 0
    transmit_timestamp: int = 0

    def pack(self) -> bytes:
        """Return the 48 bytes.

        Raises:
            PacketError: a field does not fit.
        """
        if self.leap >> _LEAP_BITS or self.version >> _VERSION_BITS or self.mode >> _MODE_BITS:
            raise PacketError(f"leap, version or mode does not fit its bits: {self}")
        stamps = (
            self.reference_timestamp,
            self.origin_timestamp,
            self.receive_timestamp,
            self.transmit_timestamp,
        )
        halves = [half for stamp in stamps for half in (stamp >> 32, stamp & 0xFFFF_FFFF)]
        try:
            return HEADER.pack(
                self.leap << 6 | self.version << 3 | self.mode,
                self.stratum,
                self.poll,
                self.precision,
                self.root_delay,
                self.root_dispersion,
                self.reference_id,
                *halves,
            )
        except struct.error as error:
            raise PacketError(f"a field does not fit its place in an NTP packet: {error}") from None

    @classmethod
    def unpack(cls, data: bytes) -> Packet:
        """Read the header at the start of a datagram.

        Raises:
            PacketError: the datagram is shorter than a header, or not a whole number of words.
        """
        if len(data) < HEADER_BYTES:
            raise PacketError(f"{len(data)} bytes, an NTP packet has at least {HEADER_BYTES}")
        if len(data) % 4:
            raise PacketError(f"{len(data)} bytes, not a whole number of 32-bit words")
        first, stratum, poll, precision, delay, dispersion, reference, *halves = HEADER.unpack_from(
            data
        )
        stamps = [high << 32 | low for high, low in zip(halves[::2], halves[1::2], strict=True)]
        return cls(
            leap=first >> 6,
            version=first >> 3 & 7,
            mode=first & 7,
            stratum=stratum,
            poll=poll,
            precision=precision,
            root_delay=delay,
            root_dispersion=dispersion,
            reference_id=reference,
            reference_timestamp=stamps[0],
            origin_timestamp=stamps[1],
            receive_timestamp=stamps[2],
            transmit_timestamp=stamps[3],
        )

    @property
    def kiss_code(self) -> str | None:
        """The four letters of a kiss-o'-death packet, None for any other packet (section 7.4)."""
        if self.stratum:
            return None
        return _ascii(self.reference_id)


def _ascii(word: int) -> str | None:
    text = word.to_bytes(4, "big").rstrip(b"\0")
    return text.decode("ascii") if text.isalnum() and text.isascii() else None


def reference_id_text(reference_id: int, stratum: int) -> str:
    """Spell a reference identifier: a name for stratum 1, an address (or a hash) above."""
    name = _ascii(reference_id) if stratum <= 1 else None
    return name or str(ipaddress.IPv4Address(reference_id))


def reference_id_of(address: str) -> int:
    """The 32 bits by which servers name the one they follow (RFC 5905, section 7.3).

    An IPv4 address is its own identifier; of an IPv6 address it is the start of the MD5 hash.

    Raises:
        ValueError: it is no address.
    """
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv4Address):
        return int(parsed)
    digest = hashlib.md5(parsed.packed, usedforsecurity=False).digest()
    return int.from_bytes(digest[:4], "big")


def short_to_ns(value: int) -> int:
    """Nanoseconds of a 16.16 fixed-point number, rounded up: it bounds an error."""
    return (value * NS_PER_S + 0xFFFF) >> 16


def ns_to_short(ns: int) -> int:
    """Convert nanoseconds to 16.16 fixed-point seconds, rounded up and held within 32 bits."""
    return min(max(-((-ns << 16) // NS_PER_S), 0), 0xFFFF_FFFF)


def precision_to_ns(exponent: int) -> int:
    """Nanoseconds of a precision field (log2 of seconds), rounded up, at least one."""
    if exponent >= 0:
        return NS_PER_S << min(exponent, _MAX_PRECISION_EXPONENT)
    return (NS_PER_S >> -exponent) + 1


def ntp_to_unix_ns(timestamp: int, near_ns: int) -> int:
    """Convert a 64-bit timestamp to Unix nanoseconds.

    The timestamp says nothing of its era of 136 years; the one within 68 years of ``near_ns``
    (local time), or of 2026 where local time is before that, is meant (section 6).
    """
    near = unix_ns_to_ntp_unbounded(max(near_ns, EARLIEST_NS))
    distance = (timestamp - near + _ERA // 2) % _ERA - _ERA // 2
    return (((near + distance) * NS_PER_S + (1 << 31)) >> 32) - UNIX_TO_NTP_S * NS_PER_S


def unix_ns_to_ntp(unix_ns: int) -> int:
    """Convert Unix nanoseconds to a 64-bit timestamp; the era is dropped."""
    return unix_ns_to_ntp_unbounded(unix_ns) % _ERA


def unix_ns_to_ntp_unbounded(unix_ns: int) -> int:
    """Convert Unix nanoseconds to units of 2^-32 s since 1900, era included."""
    return ((unix_ns + UNIX_TO_NTP_S * NS_PER_S << 32) + NS_PER_S // 2) // NS_PER_S
