"""Extension fields of NTP packets (RFC 7822), and those of NTS (RFC 8915, section 5)."""

from __future__ import annotations

import enum
import struct
from collections.abc import Iterator
from dataclasses import dataclass

_HEADER = struct.Struct("!HH")
_LENGTHS = struct.Struct("!HH")
_SHORTEST = 16  # RFC 7822, section 7.5: bytes of a field, its header included


class FieldKind(enum.IntEnum):
    """Field types (RFC 8915, section 7.5)."""

    UNIQUE_ID = 0x0104
    COOKIE = 0x0204
    COOKIE_PLACEHOLDER = 0x0304
    AUTHENTICATOR = 0x0404


class FieldError(ValueError):
    """Raised when bytes are not extension fields."""


@dataclass(frozen=True, slots=True)
class Field:
    """One extension field.

    Attributes:
        kind: field type; those that we know are in :class:`FieldKind`.
        body: what it holds, padding included.
        start: where its header begins in the bytes it was read from.
    """

    kind: int
    body: bytes
    start: int = 0


def pack_field(kind: int, body: bytes) -> bytes:
    """Return a field as it is on the wire, padded with zeros to words and to the least length."""
    length = max(_HEADER.size + _padded(len(body)), _SHORTEST)
    return _HEADER.pack(kind, length) + body.ljust(length - _HEADER.size, b"\0")


def field_bytes(body_bytes: int) -> int:
    """Length on the wire of a field with a body of that length."""
    return max(_HEADER.size + _padded(body_bytes), _SHORTEST)


def read_fields(data: bytes, start: int = 0) -> Iterator[Field]:
    """Read fields, one by one: what follows a field may be no field.

    Args:
        data: a datagram, or the inside of an encrypted field.
        start: where the first begins.

    Raises:
        FieldError: what follows is no field.
    """
    while start < len(data):
        if len(data) - start < _HEADER.size:
            raise FieldError("an extension field is cut off")
        kind, length = _HEADER.unpack_from(data, start)
        if length < _HEADER.size or length % 4 or start + length > len(data):
            raise FieldError(f"an extension field has an impossible length of {length} bytes")
        yield Field(kind, data[start + _HEADER.size : start + length], start)
        start += length


@dataclass(frozen=True, slots=True)
class Sealed:
    """What an authenticator field holds (RFC 8915, section 5.6).

    Attributes:
        nonce: of the encryption.
        ciphertext: the encrypted fields with their tag.
    """

    nonce: bytes
    ciphertext: bytes

    def pack(self) -> bytes:
        """Return the body of the field. No more padding is due with a nonce of 16 bytes."""
        return (
            _LENGTHS.pack(len(self.nonce), len(self.ciphertext))
            + _filled(self.nonce)
            + _filled(self.ciphertext)
        )

    @classmethod
    def unpack(cls, body: bytes) -> Sealed:
        """Read the body of a field.

        Raises:
            FieldError: it is no authenticator.
        """
        if len(body) < _LENGTHS.size:
            raise FieldError("an authenticator is cut off")
        nonce_bytes, ciphertext_bytes = _LENGTHS.unpack_from(body)
        begin = _LENGTHS.size + _padded(nonce_bytes)
        if begin + _padded(ciphertext_bytes) > len(body):
            raise FieldError("an authenticator is longer than its field")
        nonce = body[_LENGTHS.size : _LENGTHS.size + nonce_bytes]
        return cls(nonce, body[begin : begin + ciphertext_bytes])


def _padded(length: int) -> int:
    return length + -length % 4


def _filled(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
