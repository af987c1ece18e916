"""The server's side of NTS against the client's, and what it refuses."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chronotick.lab.nts_responder import NtsResponder
from chronotick.ntp.address import Endpoint
from chronotick.ntp.checks import Drop, ReplyDroppedError
from chronotick.ntp.nts.fields import FieldKind, pack_field, read_fields
from chronotick.ntp.nts.records import MOST_COOKIES, REQUEST, Kind, Record, RecordReader, read_grant
from chronotick.ntp.nts.session import Keys, NtsSeal, Session
from chronotick.ntp.nts.siv import Cipher, session_keys
from chronotick.ntp.packet import HEADER_BYTES, Packet

SECRET = b"x" * 32
HEADER = Packet(transmit_timestamp=1).pack()
REPLY = Packet(mode=4, stratum=1, origin_timestamp=1)


def session(server: NtsResponder) -> Session:
    reader = RecordReader()
    reader.feed(server.agree(REQUEST, SECRET, "sha256"))
    assert reader.complete
    to_server, to_client = session_keys(SECRET, "sha256")
    keys = Keys(Cipher(to_server), Cipher(to_client))
    endpoint = Endpoint(2, ("192.0.2.1", 123))
    return Session(endpoint, keys, read_grant(reader.records).cookies, began_s=0.0)


def refused(seal: NtsSeal, answer: bytes) -> bool:
    with pytest.raises(ReplyDroppedError) as raised:
        seal.check(answer, Packet.unpack(answer))
    return raised.value.drop is Drop.NTS_REFUSED and raised.value.kiss == "NTSN"


def test_a_client_has_eight_cookies_again_after_each_answer():
    server = NtsResponder()
    client, sent = session(server), set()
    for lost in (0, 0, 3, 7, 0):
        for _ in range(lost):
            client.finished(client.next_exchange())
        seal = client.next_exchange()
        request = seal.seal(HEADER)
        seal.check(server.answer(request, REPLY), REPLY)
        client.finished(seal)
        sent.add(list(read_fields(request, HEADER_BYTES))[1].body)
        assert client.cookies == MOST_COOKIES
    assert len(sent) == 5  # no cookie twice


def test_the_cookies_of_a_server_that_lost_its_key_are_refused():
    seal = session(NtsResponder()).next_exchange()
    answer = NtsResponder().answer(seal.seal(HEADER), REPLY)
    assert refused(seal, answer)


@pytest.mark.parametrize("byte", [40, 60, 90, -1])
def test_a_request_that_was_changed_gets_no_time(byte: int):
    """In its header, its unique identifier, its cookie, its seal."""
    server = NtsResponder()
    request = bytearray(session(server).next_exchange().seal(HEADER))
    request[byte] ^= 1
    answer = server.answer(bytes(request), REPLY)
    assert Packet.unpack(answer).kiss_code == "NTSN"
    assert [field.kind for field in read_fields(answer, HEADER_BYTES)] == [FieldKind.UNIQUE_ID]


@pytest.mark.parametrize(
    "rest", [b"", b"\1", pack_field(FieldKind.UNIQUE_ID, b"u" * 32), pack_field(0x4242, b"?" * 20)]
)
def test_who_does_not_ask_by_nts_gets_a_bare_reply(rest: bytes):
    assert NtsResponder().answer(HEADER + rest, REPLY) == REPLY.pack()


def test_a_cookie_that_is_none_is_refused():
    seal = NtsSeal(Keys(Cipher(b"c" * 32), Cipher(b"s" * 32)), b"k" * 100, missing=1)
    assert refused(seal, NtsResponder().answer(seal.seal(HEADER), REPLY))


def test_a_kiss_code_is_authenticated_too():
    server = NtsResponder()
    seal = session(server).next_exchange()
    rate = replace(REPLY, stratum=0, reference_id=int.from_bytes(b"RATE", "big"))
    answer = server.answer(seal.seal(HEADER), rate)
    seal.check(answer, rate)
    assert seal.authenticated


def test_a_client_that_wants_another_algorithm_is_an_error():
    other = Record(Kind.NEXT_PROTOCOL, b"\0\0").pack() + Record(Kind.AEAD, b"\0\x1e").pack()
    with pytest.raises(ValueError, match="something else"):
        NtsResponder().agree(other + Record(Kind.END).pack(), SECRET, "sha256")
