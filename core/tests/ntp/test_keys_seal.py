"""Requests and replies with a message authentication code."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.ntp.checks import Drop, ReplyDroppedError, check_reply
from chronotick.ntp.keys.mac import CIPHER_KEY_BYTES, HASHES, Key
from chronotick.ntp.keys.seal import KeySeal
from chronotick.ntp.nts.fields import pack_field
from chronotick.ntp.packet import Packet, unix_ns_to_ntp

NOW = unix_ns_to_ntp(1_900_000_000 * 10**9)
REQUEST = Packet(transmit_timestamp=1)
REPLY = Packet(mode=4, stratum=1, origin_timestamp=1, receive_timestamp=NOW, transmit_timestamp=NOW)
KINDS = [*CIPHER_KEY_BYTES, *HASHES]
CMAC_MESSAGE = bytes.fromhex(
    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
    "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
)


def key_of(kind: str, number: int = 10, fill: bytes = b"k") -> Key:
    return Key(number, kind, fill * CIPHER_KEY_BYTES.get(kind, 20))


def reply(key: Key, between: bytes = b"", packet: Packet = REPLY) -> bytes:
    data = packet.pack() + between
    return data + key.mac(data)


def judged(key: Key, data: bytes) -> Packet:
    return check_reply(data, origin=1, previous_transmit=None, authenticate=KeySeal(key).check)


def dropped(key: Key, data: bytes) -> ReplyDroppedError:
    with pytest.raises(ReplyDroppedError) as raised:
        judged(key, data)
    return raised.value


@pytest.mark.parametrize(
    ("kind", "secret", "message_bytes", "digest"),
    [
        ("AES128", "2b7e151628aed2a6abf7158809cf4f3c", 0, "bb1d6929e95937287fa37d129b756746"),
        ("AES128", "2b7e151628aed2a6abf7158809cf4f3c", 16, "070a16b46b4d4144f79bdd9dd04a287c"),
        ("AES128", "2b7e151628aed2a6abf7158809cf4f3c", 40, "dfa66747de9ae63030ca32611497c827"),
        ("AES128", "2b7e151628aed2a6abf7158809cf4f3c", 64, "51f0bebf7e3b9d92fc49741779363cfe"),
        (
            "AES256",
            "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
            16,
            "28a7023f452e8f82bd4bf28d8c37c35c",
        ),
    ],
)
def test_cmac_is_that_of_rfc_4493_and_nist_sp_800_38b(
    kind: str, secret: str, message_bytes: int, digest: str
) -> None:
    code = Key(10, kind, bytes.fromhex(secret)).mac(CMAC_MESSAGE[:message_bytes])
    assert code == bytes([0, 0, 0, 10]) + bytes.fromhex(digest)


def test_other_codes_are_a_hash_of_key_and_packet_cut_to_twenty_bytes() -> None:
    for kind in ("SHA1", "SHA256", "SHA512"):
        digest = hashlib.new(kind.lower(), b"k" * 20 + b"packet").digest()
        assert key_of(kind).mac(b"packet") == bytes([0, 0, 0, 10]) + digest[:20]


@pytest.mark.parametrize("kind", KINDS)
def test_a_reply_under_our_key_is_believed(kind: str) -> None:
    key = key_of(kind)
    request = KeySeal(key).seal(REQUEST.pack())
    assert request == REQUEST.pack() + key.mac(REQUEST.pack())
    assert len(request) <= 48 + 24
    assert judged(key, reply(key)) == REPLY


@given(kind=st.sampled_from(KINDS), data=st.data())
def test_a_reply_with_any_bit_changed_is_not_taken(kind: str, data: st.DataObject) -> None:
    key = key_of(kind)
    genuine = reply(key)
    bit = data.draw(st.integers(0, 8 * len(genuine) - 1))
    changed = bytearray(genuine)
    changed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(ReplyDroppedError) as raised:
        KeySeal(key).check(bytes(changed), REPLY)
    assert (raised.value.drop, raised.value.genuine) == (Drop.FORGED, False)


@given(st.binary(max_size=100))
def test_any_bytes_after_the_header_are_our_code_or_not_taken(tail: bytes) -> None:
    with pytest.raises(ReplyDroppedError):
        KeySeal(key_of("SHA256")).check(REPLY.pack() + tail, REPLY)


@pytest.mark.parametrize("kind", ["AES128", "SHA1", "SHA512"])
def test_another_key_number_or_type_is_forged(kind: str) -> None:
    key = key_of(kind)
    for other in (key_of(kind, number=11), key_of(kind, fill=b"o"), key_of("SHA384")):
        assert dropped(key, reply(other)).drop is Drop.FORGED


@pytest.mark.parametrize("kind", ["AES128", "SHA1", "SHA512"])
def test_a_code_cut_short_or_made_longer_is_forged(kind: str) -> None:
    key = key_of(kind)
    genuine = reply(key)
    assert dropped(key, genuine[:48]).drop is Drop.UNAUTHENTICATED
    for length in range(52, len(genuine), 4):
        assert dropped(key, genuine[:length]).drop is Drop.FORGED
    for tail in (bytes(4), b"\xff" * 4, genuine[48:]):
        assert dropped(key, genuine + tail).drop is Drop.FORGED
    assert dropped(key, genuine[:-1]).drop is Drop.TRUNCATED


def test_the_whole_digest_is_not_sent_in_version_4() -> None:
    key = key_of("SHA256")
    digest = hashlib.sha256(key.secret + REPLY.pack()).digest()
    whole = REPLY.pack() + bytes([0, 0, 0, 10]) + digest
    assert dropped(key, whole).drop is Drop.FORGED


def test_nothing_stands_between_header_and_code() -> None:
    """A hash of key and packet can be continued by who has seen one: see `KeySeal.check`."""
    for kind in ("AES128", "SHA1", "SHA256"):
        key = key_of(kind)
        for between in (pack_field(0x0204, b"x" * 28), bytes(4), b"x" * 28):
            assert dropped(key, reply(key, between)).drop is Drop.FORGED


def test_our_own_request_sent_back_is_not_a_reply() -> None:
    key = key_of("SHA1")
    assert dropped(key, KeySeal(key).seal(REQUEST.pack())).drop is Drop.MODE


def test_a_crypto_nak_is_told_in_words_and_authenticates_nothing() -> None:
    error = dropped(key_of("AES128"), REPLY.pack() + bytes(4))
    assert (error.drop, error.genuine) == (Drop.CRYPTO_NAK, True)
    assert str(error) == "the server does not accept our key (crypto-NAK)"


def test_no_kiss_is_obeyed_that_is_not_authenticated() -> None:
    key = key_of("SHA1")
    kiss = Packet(mode=4, reference_id=int.from_bytes(b"DENY", "big"), origin_timestamp=1)
    forged = dropped(key, kiss.pack())
    assert (forged.drop, forged.kiss) == (Drop.UNAUTHENTICATED, None)
    genuine = dropped(key, reply(key, packet=kiss))
    assert (genuine.drop, genuine.kiss) == (Drop.KISS, "DENY")
