"""Requests and replies of NTS, against a server side written here from RFC 8915, section 5."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.ntp.address import Endpoint
from chronotick.ntp.checks import Drop, ReplyDroppedError
from chronotick.ntp.nts.fields import Field, FieldKind, Sealed, pack_field, read_fields
from chronotick.ntp.nts.session import LONGEST_REQUEST, Keys, NtsSeal, Session
from chronotick.ntp.nts.siv import Cipher
from chronotick.ntp.packet import HEADER_BYTES, Packet

KEYS = Keys(Cipher(b"c" * 32), Cipher(b"s" * 32))
HEADER = Packet(transmit_timestamp=1).pack()
REPLY = Packet(mode=4, stratum=1, origin_timestamp=1)
NTSN = dataclasses.replace(REPLY, stratum=0, reference_id=int.from_bytes(b"NTSN", "big"))


def new_seal(missing: int = 1, cookie: bytes = b"k" * 100) -> tuple[NtsSeal, list[Field]]:
    seal = NtsSeal(KEYS, cookie, missing=missing)
    return seal, list(read_fields(seal.seal(HEADER), HEADER_BYTES))


def reply(
    unique_id: bytes,
    cookies: Iterable[bytes] = (b"new" * 40,),
    *,
    key: Cipher = KEYS.to_client,
    packet: Packet = REPLY,
    inside: bytes | None = None,
) -> bytes:
    head = packet.pack() + pack_field(FieldKind.UNIQUE_ID, unique_id)
    if inside is None:
        inside = b"".join(pack_field(FieldKind.COOKIE, cookie) for cookie in cookies)
    sealed = Sealed(b"n" * 16, key.encrypt(inside, nonce=b"n" * 16, associated=head))
    return head + pack_field(FieldKind.AUTHENTICATOR, sealed.pack())


def dropped(seal: NtsSeal, data: bytes) -> Drop:
    with pytest.raises(ReplyDroppedError) as raised:
        seal.check(data, Packet.unpack(data))
    assert raised.value.genuine == (raised.value.drop is Drop.NTS_REFUSED)
    return raised.value.drop


def test_a_request_is_a_unique_identifier_one_cookie_placeholders_and_a_seal() -> None:
    _, fields = new_seal(missing=3)
    kinds = FieldKind.UNIQUE_ID, FieldKind.COOKIE, *[FieldKind.COOKIE_PLACEHOLDER] * 2
    assert tuple(field.kind for field in fields) == (*kinds, FieldKind.AUTHENTICATOR)
    assert fields[1].body == b"k" * 100
    assert {field.body for field in fields[2:4]} == {bytes(100)}


def test_a_server_can_tell_that_a_request_was_changed() -> None:
    request = NtsSeal(KEYS, b"k" * 100, missing=1).seal(HEADER)
    authenticator = list(read_fields(request, HEADER_BYTES))[-1]
    sealed, head = Sealed.unpack(authenticator.body), request[: authenticator.start]
    opened = KEYS.to_server.decrypt(sealed.ciphertext, nonce=sealed.nonce, associated=head)
    assert opened == b""
    with pytest.raises(ValueError, match="wrong"):
        KEYS.to_server.decrypt(
            sealed.ciphertext, nonce=sealed.nonce, associated=head[:-1] + b"\xff"
        )


def test_no_two_requests_have_anything_in_common_but_their_form() -> None:
    requests = [NtsSeal(KEYS, b"k" * 100, missing=1).seal(HEADER) for _ in range(4)]
    fields = [list(read_fields(request, HEADER_BYTES)) for request in requests]
    for index in (0, -1):
        assert len({found[index].body for found in fields}) == 4


@pytest.mark.parametrize("cookie_bytes", [1, 11, 100, 101, 256, 1024])
def test_a_request_is_one_packet_however_long_its_cookies(cookie_bytes: int) -> None:
    seal = NtsSeal(KEYS, b"k" * cookie_bytes, missing=8)
    request = seal.seal(HEADER)
    assert len(request) <= LONGEST_REQUEST
    assert len(request) % 4 == 0
    placeholders = sum(f.kind == FieldKind.COOKIE_PLACEHOLDER for f in read_fields(request, 48))
    assert placeholders == min(7, (LONGEST_REQUEST - 48 - 36 - 40) // max(16, 7 + cookie_bytes) - 1)


def test_a_genuine_reply_brings_cookies() -> None:
    seal, fields = new_seal(missing=2)
    data = reply(fields[0].body, [b"1" * 100, b"2" * 100])
    seal.check(data, Packet.unpack(data))
    assert seal.authenticated
    assert seal.new_cookies == (b"1" * 100, b"2" * 100)


def test_cookies_that_nobody_asked_for_are_left() -> None:
    seal, fields = new_seal(missing=2)
    data = reply(fields[0].body, [b"%d" % n * 100 for n in range(5)])
    seal.check(data, Packet.unpack(data))
    assert len(seal.new_cookies) == 2


def test_a_reply_without_a_seal_is_not_authenticated() -> None:
    seal, fields = new_seal()
    for stripped in (REPLY.pack(), reply(fields[0].body)[:84]):
        assert dropped(seal, stripped) is Drop.UNAUTHENTICATED


@pytest.mark.parametrize("code", ["DENY", "RATE", "RSTR"])
def test_no_kiss_is_obeyed_that_is_not_authenticated(code: str) -> None:
    seal, fields = new_seal()
    kiss = dataclasses.replace(NTSN, reference_id=int.from_bytes(code.encode(), "big"))
    forged = kiss.pack() + pack_field(FieldKind.UNIQUE_ID, fields[0].body)
    assert dropped(seal, forged) is Drop.UNAUTHENTICATED
    genuine = reply(fields[0].body, packet=kiss)
    seal.check(genuine, Packet.unpack(genuine))
    assert seal.authenticated


def test_a_reply_to_another_request_is_not_taken() -> None:
    """A replay: genuine once, of the same server, under the same keys."""
    (seal, _), (_, others) = new_seal(), new_seal()
    assert dropped(seal, reply(others[0].body)) is Drop.UNIQUE_ID
    assert dropped(seal, reply(b"")) is Drop.UNIQUE_ID
    assert not seal.authenticated


def test_a_reply_under_another_key_is_forged() -> None:
    seal, fields = new_seal()
    for key in (KEYS.to_server, Cipher(bytes(32))):  # a reflected request among them
        assert dropped(seal, reply(fields[0].body, key=key)) is Drop.FORGED


@given(st.data())
def test_a_reply_with_any_bit_changed_is_not_taken(data: st.DataObject) -> None:
    seal, fields = new_seal()
    genuine = reply(fields[0].body)
    bit = data.draw(st.integers(0, 8 * len(genuine) - 1))
    changed = bytearray(genuine)
    changed[bit // 8] ^= 1 << bit % 8
    assert dropped(seal, bytes(changed)) in {Drop.FORGED, Drop.UNIQUE_ID, Drop.UNAUTHENTICATED}
    assert (seal.authenticated, seal.new_cookies) == (False, ())


@given(st.binary(max_size=200))
def test_any_bytes_after_the_header_are_a_reply_or_not(tail: bytes) -> None:
    seal, _ = new_seal()
    data = REPLY.pack() + tail
    with pytest.raises(ReplyDroppedError):
        seal.check(data, REPLY)


@given(st.binary(max_size=100))
def test_any_bytes_inside_of_a_genuine_seal_are_cookies_or_forged(inside: bytes) -> None:
    seal, fields = new_seal(missing=8)
    data = reply(fields[0].body, inside=inside)
    try:
        seal.check(data, Packet.unpack(data))
    except ReplyDroppedError as error:
        assert error.drop is Drop.FORGED  # noqa: PT017 - it may also be none
    assert all(cookie in inside for cookie in seal.new_cookies)


def test_what_follows_the_seal_does_not_exist() -> None:
    """Anybody could have put it there."""
    seal, fields = new_seal()
    for tail in (pack_field(FieldKind.COOKIE, b"evil" * 25), b"\xff" * 20, bytes(4)):
        data = reply(fields[0].body, [b"good" * 25]) + tail
        seal.check(data, Packet.unpack(data))
        assert seal.new_cookies == (b"good" * 25,)


def test_a_refusal_needs_our_unique_identifier() -> None:
    seal, fields = new_seal()
    bare = NTSN.pack()
    assert dropped(seal, bare) is Drop.UNAUTHENTICATED
    assert dropped(seal, bare + pack_field(FieldKind.UNIQUE_ID, b"u" * 32)) is Drop.UNIQUE_ID
    assert not seal.refused
    ours = bare + pack_field(FieldKind.UNIQUE_ID, fields[0].body)
    assert dropped(seal, ours) is Drop.NTS_REFUSED
    assert seal.refused


def new_session(cookies: int = 8) -> Session:
    made = [b"%d" % n * 100 for n in range(cookies)]
    return Session(Endpoint(2, ("127.0.0.1", 1)), KEYS, made, began_s=0)


Answered = Callable[[Session], None]


def genuine(session: Session) -> None:
    seal = session.next_exchange()
    fields = list(read_fields(seal.seal(HEADER), HEADER_BYTES))
    wanted = sum(f.kind in {FieldKind.COOKIE, FieldKind.COOKIE_PLACEHOLDER} for f in fields)
    data = reply(fields[0].body, [b"new" * 40] * wanted)
    seal.check(data, Packet.unpack(data))
    session.finished(seal)


def refused(session: Session) -> None:
    seal = session.next_exchange()
    fields = list(read_fields(seal.seal(HEADER), HEADER_BYTES))
    data = NTSN.pack() + pack_field(FieldKind.UNIQUE_ID, fields[0].body)
    with pytest.raises(ReplyDroppedError):
        seal.check(data, Packet.unpack(data))
    session.finished(seal)


def unanswered(session: Session) -> None:
    session.finished(session.next_exchange())


def test_lost_cookies_are_made_up_for_by_the_next_reply() -> None:
    session = new_session()
    for _ in range(5):
        unanswered(session)
    assert session.cookies == 3
    genuine(session)
    assert session.cookies == 8
    genuine(session)
    assert session.cookies == 8


def test_every_cookie_is_used_once() -> None:
    session, sent = new_session(), set()
    for _ in range(8):
        seal = session.next_exchange()
        sent.add(list(read_fields(seal.seal(HEADER), HEADER_BYTES))[1].body)
        session.finished(seal)
    assert len(sent) == 8
    with pytest.raises(IndexError):
        session.next_exchange()


@pytest.mark.parametrize(
    ("course", "expected"),
    [
        ((refused,), True),
        ((refused, unanswered), True),
        ((refused, genuine), False),
        ((genuine,), False),
        ((unanswered,), False),
    ],
)
def test_a_refusal_holds_until_a_genuine_reply(
    course: tuple[Answered, ...], expected: bool
) -> None:
    session = new_session()
    for step in course:
        step(session)
    assert session.refused is expected


def test_a_genuine_reply_in_the_same_exchange_outweighs_a_forged_refusal() -> None:
    session = new_session()
    seal = session.next_exchange()
    fields = list(read_fields(seal.seal(HEADER), HEADER_BYTES))
    forged = NTSN.pack() + pack_field(FieldKind.UNIQUE_ID, fields[0].body)
    assert dropped(seal, forged) is Drop.NTS_REFUSED
    data = reply(fields[0].body)
    seal.check(data, Packet.unpack(data))
    session.finished(seal)
    assert not session.refused
