from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.ntp.packet import (
    EARLIEST_NS,
    HEADER_BYTES,
    NS_PER_S,
    UNIX_TO_NTP_S,
    Packet,
    PacketError,
    ns_to_short,
    ntp_to_unix_ns,
    precision_to_ns,
    reference_id_text,
    short_to_ns,
    unix_ns_to_ntp,
)

words = st.integers(0, 2**32 - 1)
stamps = st.integers(0, 2**64 - 1)
packets = st.builds(
    Packet,
    leap=st.integers(0, 3),
    version=st.integers(0, 7),
    mode=st.integers(0, 7),
    stratum=st.integers(0, 255),
    poll=st.integers(-128, 127),
    precision=st.integers(-128, 127),
    root_delay=words,
    root_dispersion=words,
    reference_id=words,
    reference_timestamp=stamps,
    origin_timestamp=stamps,
    receive_timestamp=stamps,
    transmit_timestamp=stamps,
)
year_2100_ns = 4_102_444_800 * NS_PER_S


@given(packets)
def test_every_packet_survives_the_wire(packet: Packet) -> None:
    data = packet.pack()
    assert len(data) == HEADER_BYTES
    assert Packet.unpack(data) == packet


@given(st.binary(min_size=48, max_size=48))
def test_every_48_bytes_are_a_packet(data: bytes) -> None:
    assert Packet.unpack(data).pack() == data


@given(st.binary(max_size=200))
def test_random_bytes_give_a_packet_or_a_packet_error(data: bytes) -> None:
    if len(data) >= HEADER_BYTES and len(data) % 4 == 0:
        assert Packet.unpack(data).pack() == data[:HEADER_BYTES]
    else:
        with pytest.raises(PacketError, match=f"{len(data)} bytes"):
            Packet.unpack(data)


def test_fields_stand_where_rfc_5905_puts_them() -> None:
    packet = Packet(
        leap=1,
        version=4,
        mode=4,
        stratum=2,
        poll=6,
        precision=-20,
        root_delay=0x0001_8000,
        root_dispersion=0x0000_4000,
        reference_id=0xC000_0201,
        reference_timestamp=0x1111_1111_2222_2222,
        origin_timestamp=0x3333_3333_4444_4444,
        receive_timestamp=0x5555_5555_6666_6666,
        transmit_timestamp=0x7777_7777_8888_8888,
    )
    assert packet.pack().hex(" ", 4) == (
        "640206ec 00018000 00004000 c0000201 "
        "11111111 22222222 33333333 44444444 55555555 66666666 77777777 88888888"
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("leap", 4),
        ("version", 8),
        ("mode", -1),
        ("stratum", 256),
        ("poll", 128),
        ("root_delay", -1),
        ("origin_timestamp", 2**64),
    ],
)
def test_a_field_that_does_not_fit_is_refused(name: str, value: int) -> None:
    packet = dataclasses.replace(Packet(), **{name: value})
    with pytest.raises(PacketError, match="does not fit"):
        packet.pack()


@given(st.integers(EARLIEST_NS, year_2100_ns), st.integers(-60, 60))
def test_a_timestamp_comes_back_within_a_nanosecond_in_any_era(unix_ns: int, years: int) -> None:
    near_ns = unix_ns + years * 365 * 86_400 * NS_PER_S
    pivot_is_near = abs(max(near_ns, EARLIEST_NS) - unix_ns) < 68 * 365 * 86_400 * NS_PER_S
    assert pivot_is_near
    assert abs(ntp_to_unix_ns(unix_ns_to_ntp(unix_ns), near_ns) - unix_ns) <= 1


def test_the_first_era_ends_in_2036_without_a_jump() -> None:
    end_ns = (2**32 - UNIX_TO_NTP_S) * NS_PER_S
    assert unix_ns_to_ntp(end_ns) == 0
    for seconds in (-1, 0, 1):
        unix_ns = end_ns + seconds * NS_PER_S
        for near_ns in (end_ns - NS_PER_S, end_ns + NS_PER_S):
            assert ntp_to_unix_ns(unix_ns_to_ntp(unix_ns), near_ns) == unix_ns


def test_a_host_that_believes_in_1970_still_finds_the_right_era() -> None:
    in_2050_ns = 2_524_608_000 * NS_PER_S
    assert ntp_to_unix_ns(unix_ns_to_ntp(in_2050_ns), near_ns=0) == in_2050_ns


@given(words)
def test_short_format_never_understates_an_error(value: int) -> None:
    assert value * NS_PER_S / 2**16 <= short_to_ns(value) < value * NS_PER_S / 2**16 + 1


@given(st.integers(0, 60_000 * NS_PER_S))
def test_writing_short_format_never_understates_an_error(ns: int) -> None:
    assert ns <= short_to_ns(ns_to_short(ns)) <= ns + 2**-16 * NS_PER_S + 1


def test_short_format_is_held_within_its_bits() -> None:
    assert ns_to_short(-1) == 0
    assert ns_to_short(10**18) == 2**32 - 1


def test_precision_is_rounded_up_and_limited() -> None:
    assert precision_to_ns(-1) == NS_PER_S // 2 + 1
    assert precision_to_ns(-30) == 1
    assert precision_to_ns(-128) == 1
    assert precision_to_ns(0) == NS_PER_S
    assert precision_to_ns(127) == 64 * NS_PER_S


def kiss(code: bytes, stratum: int = 0) -> Packet:
    return Packet(stratum=stratum, reference_id=int.from_bytes(code, "big"))


def test_kiss_codes_are_letters_at_stratum_0() -> None:
    assert kiss(b"RATE").kiss_code == "RATE"
    assert kiss(b"RATE", stratum=1).kiss_code is None
    assert kiss(b"\0\0\0\0").kiss_code is None
    assert kiss(b"\x7f\0\0\1").kiss_code is None
    assert kiss(b"\xff\xfeAB").kiss_code is None


def test_reference_identifiers_are_names_or_addresses() -> None:
    assert reference_id_text(int.from_bytes(b"GPS\0", "big"), stratum=1) == "GPS"
    assert reference_id_text(0x7F7F_0101, stratum=1) == "127.127.1.1"
    assert reference_id_text(0xC000_0201, stratum=2) == "192.0.2.1"
    assert reference_id_text(int.from_bytes(b"ABCD", "big"), stratum=2) == "65.66.67.68"
