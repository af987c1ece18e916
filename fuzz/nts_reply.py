"""A time server's authenticated reply: under NTS any fields, and any content under a genuine seal.

The first byte says where the input stands: behind the header, as the body of the authenticator
behind our own unique identifier, or inside of what a server with the right key has encrypted; or
behind the header of a reply under a symmetric key.
"""

from __future__ import annotations

import contextlib

from chronotick.ntp.checks import ReplyDroppedError
from chronotick.ntp.keys.mac import Key
from chronotick.ntp.keys.seal import KeySeal
from chronotick.ntp.nts.fields import (
    FieldError,
    FieldKind,
    Sealed,
    field_bytes,
    pack_field,
    read_fields,
)
from chronotick.ntp.nts.records import LONGEST_COOKIE
from chronotick.ntp.nts.session import Keys, NtsSeal
from chronotick.ntp.nts.siv import Cipher
from chronotick.ntp.packet import HEADER_BYTES, MODE_SERVER, Packet
from fuzz.oracle import require

_KEYS = Keys(Cipher(b"c" * 32), Cipher(b"s" * 32))
_REPLY = Packet(mode=MODE_SERVER, stratum=1, origin_timestamp=1)
_NTSN = Packet(mode=MODE_SERVER, reference_id=int.from_bytes(b"NTSN", "big"), origin_timestamp=1)
_SHARED = Key(10, "SHA1", b"k" * 20)
_NONCE = b"n" * 16
_MISSING = 8
_COOKIE = b"k" * 100


def TestOneInput(data: bytes) -> None:  # noqa: N802 - libFuzzer's name
    """Judge a reply.

    Raises:
        Finding: it is believed without a seal, or brings what nobody sent.
    """
    how, body = (data[0] if data else 0), data[1:]
    if how & 0x40:
        _check_keyed(body)
        return
    _check_fields(body)
    seal = NtsSeal(_KEYS, _COOKIE, missing=_MISSING)
    request = seal.seal(Packet(transmit_timestamp=1).pack())
    own = pack_field(FieldKind.UNIQUE_ID, next(iter(read_fields(request, HEADER_BYTES))).body)
    packet = _NTSN if how & 0x80 else _REPLY
    head = packet.pack() + own
    datagram, genuine = {
        0: (packet.pack() + body, False),
        1: (head + body, False),
        2: (head + pack_field(FieldKind.AUTHENTICATOR, body), False),
        3: (head + _sealed(body, head), True),
    }[how % 4]
    with contextlib.suppress(ReplyDroppedError):
        seal.check(datagram, Packet.unpack(datagram.ljust(HEADER_BYTES, b"\0")[:HEADER_BYTES]))
        require(genuine, "only what the server has sealed is believed")
    require(seal.authenticated <= genuine, "only what the server has sealed is authentic")
    require(seal.authenticated or not seal.new_cookies, "cookies come with the seal only")
    require(len(seal.new_cookies) <= _MISSING, "no more cookies are kept than are missing")
    for cookie in seal.new_cookies:
        require(cookie in body and len(cookie) <= LONGEST_COOKIE, "cookies are the server's")


def _check_keyed(body: bytes) -> None:
    header = _REPLY.pack()
    with contextlib.suppress(ReplyDroppedError):
        KeySeal(_SHARED).check(header + body, _REPLY)
        require(body == _SHARED.mac(header), "only what the shared key has signed is believed")


def _sealed(inside: bytes, head: bytes) -> bytes:
    sealed = Sealed(_NONCE, _KEYS.to_client.encrypt(inside, nonce=_NONCE, associated=head))
    return pack_field(FieldKind.AUTHENTICATOR, sealed.pack())


def _check_fields(data: bytes) -> None:
    with contextlib.suppress(FieldError):
        for field in read_fields(data):
            whole = pack_field(field.kind, field.body)
            require(len(whole) == field_bytes(len(field.body)), "a length is known beforehand")
            there = data[field.start : field.start + 4 + len(field.body)]
            require(whole.startswith(there[:2]) and field.body in there, "a field is what it was")
    with contextlib.suppress(FieldError):
        sealed = Sealed.unpack(data)
        require(Sealed.unpack(sealed.pack()) == sealed, "a seal is read as it was written")


def seeds() -> dict[str, bytes]:
    """What the corpus begins with."""
    cookie = pack_field(FieldKind.COOKIE, _COOKIE)
    forged = Sealed(_NONCE, b"c" * 16).pack()
    return {
        "cookies": b"\3" + cookie * 2,
        "empty": b"\3",
        "forged": b"\2" + forged,
        "bare": b"\0" + pack_field(FieldKind.UNIQUE_ID, b"u" * 32) + cookie,
        "refused": b"\x81" + cookie,
        "crypto_nak": b"\x40" + bytes(4),
        "keyed": b"\x40" + _SHARED.mac(_REPLY.pack()),
        "keyed_on": b"\x40" + cookie + _SHARED.mac(_REPLY.pack() + cookie),
        "unknown": b"\1" + pack_field(0x4242, b"?" * 20) + cookie,
    }
