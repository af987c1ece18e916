from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.neighbours.ntp_reply import (
    precision_exponent,
    time_reply,
    unsynchronised_reply,
)
from chronotick.neighbours.reference import Reference
from chronotick.ntp.packet import MODE_SERVER, Packet, ntp_to_unix_ns
from chronotick.shm.layout import Flags
from chronotick.shm.record import Record, bound_at, time_at
from chronotick.shm.testing import good_record

REQUEST = Packet(version=3, poll=6, transmit_timestamp=0x0123_4567_89AB_CDEF)
REFERENCE = Reference(stratum=3, reference_id=0xC000_0201, delay_ns=400_000)


def reply_of(record: Record, reference: Reference = REFERENCE, age_ns: int = 2_000_000) -> Packet:
    leaves_ns = record.anchor_raw_ns + age_ns
    return time_reply(
        REQUEST, record, reference, precision=-16, arrived_ns=leaves_ns - 1000, leaves_ns=leaves_ns
    )


def root_distance_ns(packet: Packet) -> Fraction:
    """What a client takes for the largest error of the packet's time (RFC 5905, 11.2.1)."""
    return Fraction(packet.root_delay, 2 << 16) * 10**9 + Fraction(
        packet.root_dispersion * 10**9, 1 << 16
    )


def test_the_fields_say_what_the_record_and_the_source_say():
    record = good_record()
    packet = reply_of(record)
    leaves_ns = record.anchor_raw_ns + 2_000_000
    assert (packet.version, packet.mode, packet.poll, packet.leap) == (3, MODE_SERVER, 6, 0)
    assert (packet.stratum, packet.reference_id) == (3, 0xC000_0201)
    assert packet.origin_timestamp == REQUEST.transmit_timestamp
    assert abs(ntp_to_unix_ns(packet.transmit_timestamp, 0) - time_at(record, leaves_ns)) <= 1
    assert abs(ntp_to_unix_ns(packet.receive_timestamp, 0) - time_at(record, leaves_ns - 1000)) <= 1
    last_sync_ns = time_at(record, record.last_sync_raw_ns)
    assert abs(ntp_to_unix_ns(packet.reference_timestamp, 0) - last_sync_ns) <= 1


@given(
    bound_ns=st.integers(0, 10**10),
    bound_rate=st.floats(0, 1e-3),
    age_ns=st.integers(0, 10**11),
    delay_ns=st.integers(0, 10**10),
)
def test_the_root_distance_is_never_below_the_hard_bound(bound_ns, bound_rate, age_ns, delay_ns):
    record = replace(good_record(), bound_ns=bound_ns, bound_rate=bound_rate)
    packet = reply_of(record, replace(REFERENCE, delay_ns=delay_ns), age_ns)
    bound_then_ns = bound_at(record, record.anchor_raw_ns + age_ns)
    distance_ns = root_distance_ns(packet)
    assert distance_ns >= bound_then_ns
    assert distance_ns <= bound_then_ns + 40_000  # no more than the rounding of two fields


def test_the_root_distance_grows_with_the_age_of_the_record():
    record = good_record()
    assert root_distance_ns(reply_of(record, age_ns=50 * 10**9)) > root_distance_ns(
        reply_of(record)
    )


def test_leap_seconds_are_announced():
    assert reply_of(replace(good_record(), flags=Flags.LEAP_INSERT)).leap == 1
    assert reply_of(replace(good_record(), flags=Flags.LEAP_DELETE)).leap == 2


def test_a_request_that_arrived_before_the_anchor_is_stamped_before_it():
    record = good_record()
    packet = time_reply(
        REQUEST,
        record,
        REFERENCE,
        precision=-16,
        arrived_ns=record.anchor_raw_ns - 5_000_000,
        leaves_ns=record.anchor_raw_ns,
    )
    held = packet.transmit_timestamp - packet.receive_timestamp
    assert held * 10**9 / 2**32 == pytest.approx(5_000_000, rel=1e-4)


def test_without_a_time_the_reply_says_so_in_every_field():
    packet = unsynchronised_reply(REQUEST, precision=-16, received_ns=10**18, sent_ns=10**18 + 1)
    assert (packet.leap, packet.stratum, packet.reference_id) == (3, 16, 0)
    assert packet.reference_timestamp == 0
    assert root_distance_ns(packet) >= 16 * 10**9
    assert packet.origin_timestamp == REQUEST.transmit_timestamp
    assert packet.kiss_code is None


@pytest.mark.parametrize(("scatter_ns", "exponent"), [(16_000, -15), (15_000, -16), (10**9, 0)])
def test_the_precision_is_rounded_up(scatter_ns, exponent):
    assert precision_exponent(scatter_ns) == exponent
