"""Which replies are believed, and the counted reason why the others are not.

The checks are those of RFC 5905, section 8 and appendix A.5.1, and of chrony's ``ntp_core.c``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import final

from chronotick.ntp.packet import (
    LEAP_UNSYNCHRONISED,
    MODE_SERVER,
    NS_PER_S,
    VERSION,
    Packet,
    PacketError,
    precision_to_ns,
    short_to_ns,
)
from chronotick.ntp.worded import Worded

MAX_STRATUM = 16
"""Stratum of a server that is not synchronised (RFC 5905, MAXSTRAT)."""
MAX_DISTANCE_NS = 16 * NS_PER_S
"""Root delay/2 + root dispersion from which a server counts as unsynchronised (MAXDISP)."""
MAX_HOLD_NS = 4 * NS_PER_S
"""Longest plausible time between a request's arrival and its reply (chrony MAX_SERVER_INTERVAL)."""
_HOLD_TOLERANCE = 1000  # a hold time may exceed the round trip by 1/1000: clocks run unequally
_ACCEPTED_VERSIONS = (VERSION - 1, VERSION)  # version 3 servers answer version 4 requests


@final
class Drop(Worded):
    """Why a reply, or a whole exchange, gave no measurement."""

    TRUNCATED = "truncated", "not an NTP packet: too short, or not whole words"
    MODE = "mode", "not a server's reply"
    VERSION = "version", "not NTP version 3 or 4"
    ORIGIN = "origin", "does not answer our request (spoofed, late or misdirected)"
    DUPLICATE = "duplicate", "an earlier reply, repeated"
    ADDRESS = "address", "came from another address than was asked"
    UNAUTHENTICATED = "unauthenticated", "not authenticated, though the request was"
    UNIQUE_ID = "unique-id", "authenticated for another request than ours (NTS, repeated?)"
    FORGED = "forged", "the authentication is wrong: changed on the way, or not by the server"
    NTS_REFUSED = "nts-refused", "the server no longer accepts our NTS cookies"
    KEY = "key", "the key for the server cannot be used"
    CRYPTO_NAK = "crypto-nak", "the server does not accept our key (crypto-NAK)"
    KISS = "kiss", "the server refuses service (kiss-o'-death)"
    UNSYNCHRONISED = "unsynchronised", "the server says its clock is not synchronised (leap 3)"
    STRATUM = "stratum", "the server's stratum is not 1 to 15"
    LOOP = "loop", "the server follows this host: its time would come back to us"
    ZERO_TIMESTAMP = "zero-timestamp", "the server's receive or transmit timestamp is zero"
    ROOT_DISTANCE = "root-distance", "the server states an error of 16 s or more"
    HOLD_TIME = "hold-time", "the server claims an implausible time between request and reply"
    DELAY = "delay", "the round trip took longer than max_delay"
    CLOCK_STEP = (
        "clock-step",
        "somebody stepped (or slewed by over 1000 ppm) the system clock meanwhile",
    )
    TIMEOUT = "timeout", "no reply in time"
    REFUSED = "refused", "nothing listens on that port (ICMP port unreachable)"
    NETWORK = "network", "the network could not deliver the request"


class ReplyDroppedError(Exception):
    """Raised when a reply fails a check.

    Attributes:
        drop: the check.
        genuine: the reply carried our random origin timestamp, so the server itself (or somebody
            on the path) sent it.
        kiss: the kiss code, where it is one.
    """

    def __init__(self, drop: Drop, *, genuine: bool = True, kiss: str | None = None) -> None:
        super().__init__(f"{drop.words}{f': {kiss}' if kiss else ''}")
        self.drop = drop
        self.genuine = genuine
        self.kiss = kiss


def check_reply(
    data: bytes,
    *,
    origin: int,
    previous_transmit: int | None,
    ours: int | None = None,
    authenticate: Callable[[bytes, Packet], None] | None = None,
) -> Packet:
    """Check all that can be checked without knowing when the reply arrived.

    Args:
        data: the datagram.
        origin: transmit timestamp of the request, 64 random bits.
        previous_transmit: transmit timestamp of this server's last accepted reply.
        ours: identifier of our own address; a server that follows it tells our own time.
        authenticate: raises if the datagram is not the server's own; given where the request was
            authenticated.

    Raises:
        ReplyDroppedError: the first check that fails.
    """
    packet = _check_form(data)
    _check_origin(packet, origin, previous_transmit)
    if authenticate is not None:  # before anything that the packet says is acted upon
        authenticate(data, packet)
    _check_service(packet)
    if packet.stratum > 1 and packet.reference_id == ours:
        raise ReplyDroppedError(Drop.LOOP)
    _check_server_clock(packet)
    return packet


def _check_form(data: bytes) -> Packet:
    try:
        packet = Packet.unpack(data)
    except PacketError:
        raise ReplyDroppedError(Drop.TRUNCATED, genuine=False) from None
    if packet.mode != MODE_SERVER:
        raise ReplyDroppedError(Drop.MODE, genuine=False)
    if packet.version not in _ACCEPTED_VERSIONS:
        raise ReplyDroppedError(Drop.VERSION, genuine=False)
    return packet


def _check_origin(packet: Packet, origin: int, previous_transmit: int | None) -> None:
    # A repeated packet has an old origin as well: its better-known name is looked for first.
    if packet.transmit_timestamp and packet.transmit_timestamp == previous_transmit:
        raise ReplyDroppedError(Drop.DUPLICATE, genuine=False)
    if packet.origin_timestamp != origin:
        raise ReplyDroppedError(Drop.ORIGIN, genuine=False)


def _check_service(packet: Packet) -> None:
    # Kiss codes come first: their leap bits and timestamps need not make sense.
    if packet.kiss_code is not None:
        raise ReplyDroppedError(Drop.KISS, kiss=packet.kiss_code)
    if packet.leap == LEAP_UNSYNCHRONISED:
        raise ReplyDroppedError(Drop.UNSYNCHRONISED)
    if not 0 < packet.stratum < MAX_STRATUM:
        raise ReplyDroppedError(Drop.STRATUM)


def _check_server_clock(packet: Packet) -> None:
    if not packet.receive_timestamp or not packet.transmit_timestamp:
        raise ReplyDroppedError(Drop.ZERO_TIMESTAMP)
    distance_ns = short_to_ns(packet.root_delay) // 2 + short_to_ns(packet.root_dispersion)
    if distance_ns + precision_to_ns(packet.precision) >= MAX_DISTANCE_NS:
        raise ReplyDroppedError(Drop.ROOT_DISTANCE)


def check_times(*, round_trip_ns: int, hold_ns: int, precision_ns: int, max_delay_ns: int) -> int:
    """Check the reply's times against ours and return the delay (ns).

    A hold time beyond the round trip would make the delay negative, and the sample look better
    than any honest one.

    Args:
        round_trip_ns: request sent to reply received, by our clock.
        hold_ns: request received to reply sent, by the server's clock.
        precision_ns: resolution of both clocks; the delay is never below it.
        max_delay_ns: longest delay accepted.

    Raises:
        ReplyDroppedError: the hold time is implausible or the delay too long.
    """
    longest_ns = round_trip_ns + round_trip_ns // _HOLD_TOLERANCE + precision_ns
    if not -precision_ns <= hold_ns <= min(longest_ns, MAX_HOLD_NS):
        raise ReplyDroppedError(Drop.HOLD_TIME)
    delay_ns = max(round_trip_ns - hold_ns, precision_ns)
    if delay_ns > max_delay_ns:
        raise ReplyDroppedError(Drop.DELAY)
    return delay_ns
