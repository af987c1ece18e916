"""A server's reply: any datagram, as it comes, and as an answer to our own request.

The first byte says how much of a reply is made right before it is judged, so that the fuzzer need
not guess 64 random bits: nothing, the origin timestamp, or the origin, mode and version.
"""

from __future__ import annotations

import contextlib

from chronotick.ntp.checks import MAX_DISTANCE_NS, MAX_STRATUM, ReplyDroppedError, check_reply
from chronotick.ntp.checks import check_times as check_times_of
from chronotick.ntp.packet import (
    EARLIEST_NS,
    HEADER_BYTES,
    LEAP_UNSYNCHRONISED,
    MODE_SERVER,
    NS_PER_S,
    Packet,
    PacketError,
    ntp_to_unix_ns,
    precision_to_ns,
    reference_id_text,
    short_to_ns,
    unix_ns_to_ntp,
)
from fuzz.oracle import require

ORIGIN = 0x1234_5678_9ABC_DEF0
_ORIGIN_AT = slice(24, 32)
_AS_IT_COMES, _ANSWERING = 0, 2
_SERVER_V4 = 0b00_100_100
_FIRST_LEAP = 0b11_000_000
_ERA_DISTANCE_NS = 2**31 * NS_PER_S + NS_PER_S
_MAX_DELAY_NS = 3 * NS_PER_S


def TestOneInput(data: bytes) -> None:  # noqa: N802 - libFuzzer's name
    """Judge a datagram.

    Raises:
        Finding: it is read as what it is not, or a believed one breaks a promise.
    """
    datagram = _made_right(data[:1], data[1:])
    with contextlib.suppress(PacketError):
        packet = Packet.unpack(datagram)
        require(packet.pack() == datagram[:HEADER_BYTES], "a packet is packed as it was read")
    try:
        packet = check_reply(datagram, origin=ORIGIN, previous_transmit=1, ours=0x7F00_0001)
    except ReplyDroppedError as dropped:
        require(str(dropped), "what is dropped is dropped in words")
        return
    _check_believed(packet, datagram)
    _check_times(packet)


def _made_right(how: bytes, datagram: bytes) -> bytes:
    level = how[0] % 3 if how else _AS_IT_COMES
    if level == _AS_IT_COMES or len(datagram) < HEADER_BYTES:
        return datagram
    right = bytearray(datagram)
    right[_ORIGIN_AT] = ORIGIN.to_bytes(8, "big")
    if level == _ANSWERING:
        right[0] = right[0] & _FIRST_LEAP | _SERVER_V4
    return bytes(right)


def _check_believed(packet: Packet, datagram: bytes) -> None:
    require(packet.mode == MODE_SERVER, "only a server is believed")
    require(packet.leap != LEAP_UNSYNCHRONISED, "only who is synchronised is believed")
    require(0 < packet.stratum < MAX_STRATUM, "only a stratum of 1 to 15 is believed")
    require(datagram[_ORIGIN_AT] == ORIGIN.to_bytes(8, "big"), "only an answer is believed")
    distance_ns = short_to_ns(packet.root_delay) // 2 + short_to_ns(packet.root_dispersion)
    require(distance_ns < MAX_DISTANCE_NS, "only an error below 16 s is believed")
    require(reference_id_text(packet.reference_id, packet.stratum), "a reference has a name")


def _check_times(packet: Packet) -> None:
    received_ns, sent_ns = (
        ntp_to_unix_ns(stamp, EARLIEST_NS)
        for stamp in (packet.receive_timestamp, packet.transmit_timestamp)
    )
    near = abs(received_ns - EARLIEST_NS) <= _ERA_DISTANCE_NS
    require(near, "a timestamp is read in the era nearest to now")
    error = abs((unix_ns_to_ntp(sent_ns) - packet.transmit_timestamp + 2**63) % 2**64 - 2**63)
    require(error <= 4, "a timestamp of 233 ps survives nanoseconds")  # noqa: PLR2004 - half of ns
    precision_ns = precision_to_ns(packet.precision)
    round_trip_ns = packet.reference_timestamp % _MAX_DELAY_NS
    with contextlib.suppress(ReplyDroppedError):
        delay_ns = check_times_of(
            round_trip_ns=round_trip_ns,
            hold_ns=sent_ns - received_ns,
            precision_ns=precision_ns,
            max_delay_ns=_MAX_DELAY_NS,
        )
        require(0 < delay_ns <= _MAX_DELAY_NS, "a delay is positive, and none is too long")


def seeds() -> dict[str, bytes]:
    """What the corpus begins with."""
    good = Packet(
        mode=MODE_SERVER,
        stratum=2,
        poll=6,
        precision=-23,
        root_delay=0x200,
        root_dispersion=0x300,
        reference_id=0xC000_0201,
        reference_timestamp=unix_ns_to_ntp(EARLIEST_NS),
        origin_timestamp=ORIGIN,
        receive_timestamp=unix_ns_to_ntp(EARLIEST_NS + NS_PER_S),
        transmit_timestamp=unix_ns_to_ntp(EARLIEST_NS + NS_PER_S + 1000),
    ).pack()
    kiss = bytes([good[0], 0]) + good[2:12] + b"RATE" + good[16:]
    return {
        "reply": b"\0" + good,
        "answer": b"\2" + good,
        "kiss": b"\2" + kiss,
        "request": b"\0" + Packet(transmit_timestamp=ORIGIN).pack(),
        "extended": b"\2" + good + b"\1\4\0\x24" + bytes(32),
        "short": b"\0" + good[:40],
    }
