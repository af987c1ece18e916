import pytest

from chronotick.lab.responder import spoil, time_reply
from chronotick.lab.world import ServerModel
from chronotick.ntp.packet import (
    HEADER_BYTES,
    MODE_CLIENT,
    MODE_SERVER,
    Packet,
    PacketError,
    ntp_to_unix_ns,
    short_to_ns,
)
from chronotick.ntp.replying import delayed, kiss, parse_request

UTC_NS = 1_790_000_000_123_456_789
REQUEST = Packet(version=4, mode=MODE_CLIENT, poll=6, transmit_timestamp=0xDEADBEEF_01234567)


def reply(**model: object) -> Packet:
    server = ServerModel.model_validate(model)
    return time_reply(REQUEST, server, t2_ns=UTC_NS, t3_ns=UTC_NS + 1_000_000)


def test_a_reply_echoes_the_request_and_tells_both_times():
    answer = Packet.unpack(reply().pack())
    assert answer.origin_timestamp == REQUEST.transmit_timestamp
    assert (answer.mode, answer.version, answer.poll) == (MODE_SERVER, 4, 6)
    assert ntp_to_unix_ns(answer.receive_timestamp, UTC_NS) == UTC_NS
    assert ntp_to_unix_ns(answer.transmit_timestamp, UTC_NS) == UTC_NS + 1_000_000


def test_a_reply_states_what_the_model_says_of_itself():
    answer = reply(stratum=3, leap=1, root_delay_s=0.01, root_dispersion_s=0.002)
    assert (answer.stratum, answer.leap) == (3, 1)
    assert short_to_ns(answer.root_delay) == pytest.approx(10_000_000, abs=16_000)
    assert short_to_ns(answer.root_dispersion) == pytest.approx(2_000_000, abs=16_000)


def test_version_three_clients_are_answered_in_version_three():
    data = Packet(version=3, mode=MODE_CLIENT, transmit_timestamp=1).pack()
    request = parse_request(data)
    assert request is not None
    assert time_reply(request, ServerModel(), t2_ns=UTC_NS, t3_ns=UTC_NS).version == 3


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"hello",
        bytes(HEADER_BYTES - 1),
        bytes(HEADER_BYTES),  # version 0
        Packet(mode=MODE_SERVER).pack(),
        Packet(version=7, mode=MODE_CLIENT).pack(),
        REQUEST.pack() + b"x",
    ],
)
def test_what_is_no_request_is_recognised(garbage: bytes):
    assert parse_request(garbage) is None


def test_a_kiss_has_stratum_zero_and_its_code():
    answer = Packet.unpack(kiss(reply(), "RATE").pack())
    assert answer.stratum == 0
    assert answer.kiss_code == "RATE"
    assert answer.origin_timestamp == REQUEST.transmit_timestamp


@pytest.mark.parametrize("by_ns", [0, 1, 999, 250_000, 3_000_000_000])
def test_delaying_moves_the_transmit_timestamp_and_nothing_else(by_ns: int):
    before = reply()
    after = Packet.unpack(delayed(before.pack(), by_ns))
    moved_ns = ntp_to_unix_ns(after.transmit_timestamp, UTC_NS) - (UTC_NS + 1_000_000)
    assert moved_ns == pytest.approx(by_ns, abs=1)
    assert after.receive_timestamp == before.receive_timestamp
    assert after.origin_timestamp == before.origin_timestamp


def test_each_fault_is_wrong_in_the_way_it_says():
    good = reply()
    previous = b"what was sent before"
    assert spoil(good, None, previous) == good.pack()
    assert spoil(good, "replay", previous) == previous
    assert Packet.unpack(spoil(good, "origin", b"")).origin_timestamp != good.origin_timestamp
    assert Packet.unpack(spoil(good, "mode", b"")).mode == MODE_CLIENT
    assert Packet.unpack(spoil(good, "version", b"")).version == 7
    assert Packet.unpack(spoil(good, "no-time", b"")).transmit_timestamp == 0
    with pytest.raises(PacketError):
        Packet.unpack(spoil(good, "truncated", b""))


def test_a_first_reply_has_nothing_to_replay_and_is_correct():
    assert spoil(reply(), "replay", b"") == reply().pack()
