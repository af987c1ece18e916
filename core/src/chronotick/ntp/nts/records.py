"""The messages of the key exchange: records of type, length and body (RFC 8915, section 4)."""

from __future__ import annotations

import enum
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from chronotick.ntp.nts.errors import KeyExchangeError, NtsDrop

NTPV4 = 0
"""Protocol identifier of NTPv4 (section 7.7)."""
AES_SIV_CMAC_256 = 15
"""The algorithm that every server has (section 5.1); none other is offered."""
MOST_COOKIES = 8
"""Cookies that a client keeps (section 5.7)."""
LONGEST_COOKIE = 1024
"""Bytes. chrony's have 100; a request with a cookie of this length still is one packet."""
LONGEST_MESSAGE = 16_384
"""Bytes of a server's whole message: eight of the longest cookies need half of that."""

_HEADER = struct.Struct("!HH")
_WORD = struct.Struct("!H")
_CRITICAL = 0x8000
_ERRORS = {
    0: "it does not know a record that we sent",
    1: "it calls our request bad",
    2: "it has an internal error",
}


class Kind(enum.IntEnum):
    """Record types (section 7.6)."""

    END = 0
    NEXT_PROTOCOL = 1
    ERROR = 2
    WARNING = 3
    AEAD = 4
    COOKIE = 5
    SERVER = 6
    PORT = 7


@dataclass(frozen=True, slots=True)
class Record:
    """One record.

    Attributes:
        kind: record type, 0 to 32767; those that we know are in :class:`Kind`.
        body: up to 65535 bytes.
        critical: who does not know the type must not go on.
    """

    kind: int
    body: bytes = b""
    critical: bool = True

    def pack(self) -> bytes:
        """Return the record as it is on the wire."""
        kind = self.kind | _CRITICAL if self.critical else self.kind
        return _HEADER.pack(kind, len(self.body)) + self.body


_KNOWN = frozenset(Kind)
REQUEST = b"".join(
    record.pack()
    for record in (
        Record(Kind.NEXT_PROTOCOL, _WORD.pack(NTPV4)),
        Record(Kind.AEAD, _WORD.pack(AES_SIV_CMAC_256)),
        Record(Kind.END),
    )
)
"""All that a client asks."""


class RecordReader:
    """Takes a server's message in as it comes.

    Attributes:
        records: those that are whole so far.
        complete: the message has ended; what follows is ignored.
    """

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.complete = False
        self._rest = bytearray()
        self._size = 0

    def feed(self, data: bytes) -> None:
        """Take the next bytes.

        Raises:
            KeyExchangeError: the message does not end.
        """
        self._size += len(data)
        self._rest += data
        while not self.complete and len(self._rest) >= _HEADER.size:
            kind, length = _HEADER.unpack_from(self._rest)
            end = _HEADER.size + length
            if len(self._rest) < end:
                break
            body = bytes(self._rest[_HEADER.size : end])
            del self._rest[:end]
            self.records.append(Record(kind & ~_CRITICAL, body, bool(kind & _CRITICAL)))
            self.complete = self.records[-1].kind == Kind.END
        if not self.complete and self._size > LONGEST_MESSAGE:
            raise _wrong(f"its message does not end within {LONGEST_MESSAGE} bytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a server gives.

    Attributes:
        cookies: one to eight.
        server: name or address of the time server; None: the one that gave the keys.
        port: its UDP port; None: 123.
    """

    cookies: tuple[bytes, ...]
    server: str | None = None
    port: int | None = None


def read_grant(records: Sequence[Record]) -> Grant:
    """Read a server's message.

    Args:
        records: the whole message, with or without the record that ends it.

    Raises:
        KeyExchangeError: the server refuses, or its message is not one.
    """
    _check_refusals(records)
    if _only(records, Kind.NEXT_PROTOCOL) != _WORD.pack(NTPV4):
        raise _wrong("it does not offer NTPv4")
    if _only(records, Kind.AEAD) != _WORD.pack(AES_SIV_CMAC_256):
        raise _wrong("it does not offer AEAD_AES_SIV_CMAC_256")
    return Grant(cookies=_cookies(records), server=_server(records), port=_port(records))


def _check_refusals(records: Sequence[Record]) -> None:
    for record in records:
        code = int.from_bytes(record.body[: _WORD.size], "big")  # longer ones break the rules
        if record.kind == Kind.ERROR:
            raise KeyExchangeError(NtsDrop.REFUSED, _ERRORS.get(code, f"error {code}"))
        if record.kind == Kind.WARNING:  # there are none yet: whatever it means, it is not for us
            raise KeyExchangeError(NtsDrop.REFUSED, f"it warns with code {code}")
        if record.critical and record.kind not in _KNOWN:
            raise _wrong(f"it insists on a record of type {record.kind}")


def _only(records: Sequence[Record], kind: Kind, default: bytes | None = None) -> bytes:
    found = [record.body for record in records if record.kind == kind]
    if not found and default is not None:
        return default
    if len(found) != 1:
        raise _wrong(f"its message has {len(found)} records of type {kind.value}, instead of one")
    return found[0]


def _cookies(records: Sequence[Record]) -> tuple[bytes, ...]:
    cookies = [record.body for record in records if record.kind == Kind.COOKIE]
    if not cookies:
        raise _wrong("it gave no cookie")
    if not all(0 < len(cookie) <= LONGEST_COOKIE for cookie in cookies):
        raise _wrong(f"a cookie does not have 1 to {LONGEST_COOKIE} bytes")
    return tuple(cookies[:MOST_COOKIES])


def _server(records: Sequence[Record]) -> str | None:
    body = _only(records, Kind.SERVER, b"")
    if not body.isascii():
        raise _wrong("the name of its time server is not ASCII")
    return body.decode("ascii") or None


def _port(records: Sequence[Record]) -> int | None:
    body = _only(records, Kind.PORT, b"")
    port = int.from_bytes(body, "big")
    if body and (len(body) != _WORD.size or not port):
        raise _wrong("the port of its time server is none")
    return port or None


def _wrong(detail: str) -> KeyExchangeError:
    return KeyExchangeError(NtsDrop.PROTOCOL, detail)
