from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronotick.ntp.nts.fields import (
    Field,
    FieldError,
    Sealed,
    field_bytes,
    pack_field,
    read_fields,
)

bodies = st.binary(max_size=60)


@given(st.lists(st.tuples(st.integers(0, 0xFFFF), bodies), max_size=6), st.binary(max_size=48))
def test_fields_are_read_as_they_were_written(sent: list[tuple[int, bytes]], head: bytes) -> None:
    data = head + b"".join(pack_field(kind, body) for kind, body in sent)
    found = list(read_fields(data, len(head)))
    assert [field.kind for field in found] == [kind for kind, _ in sent]
    for field, (_, body) in zip(found, sent, strict=True):
        assert field.body == body.ljust(len(field.body), b"\0")
        assert len(pack_field(field.kind, body)) == field_bytes(len(body)) == 4 + len(field.body)
        assert data[field.start : field.start + 2] == field.kind.to_bytes(2, "big")


@given(st.binary(max_size=200))
def test_any_bytes_are_fields_up_to_where_they_are_none(data: bytes) -> None:
    found: list[Field] = []
    with contextlib.suppress(FieldError):
        found.extend(read_fields(data))
    assert sum(4 + len(field.body) for field in found) <= len(data)


@given(st.binary(max_size=80))
def test_any_bytes_are_an_authenticator_or_not(body: bytes) -> None:
    with contextlib.suppress(FieldError):
        sealed = Sealed.unpack(body)
        assert sealed.nonce in body
        assert sealed.ciphertext in body


@given(bodies, bodies)
def test_authenticators_are_read_as_they_were_written(nonce: bytes, ciphertext: bytes) -> None:
    sealed = Sealed(nonce, ciphertext)
    packed = sealed.pack()
    assert len(packed) % 4 == 0
    assert Sealed.unpack(packed + bytes(8)) == sealed  # padding after it is allowed


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\1", "cut off"),
        (b"\1\4\0\0", "impossible length of 0 bytes"),
        (b"\1\4\0\3", "impossible length of 3 bytes"),
        (b"\1\4\0\6\0\0", "impossible length of 6 bytes"),
        (b"\1\4\0\x10" + bytes(8), "impossible length of 16 bytes"),
    ],
)
def test_what_is_no_field_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(FieldError, match=words):
        list(read_fields(data))


@pytest.mark.parametrize(
    "body", [b"", b"\0\0\0", b"\0\1\0\0", b"\0\4\0\4" + bytes(7), b"\xff" * 64]
)
def test_what_is_no_authenticator_is_refused(body: bytes) -> None:
    with pytest.raises(FieldError, match="authenticator"):
        Sealed.unpack(body)
