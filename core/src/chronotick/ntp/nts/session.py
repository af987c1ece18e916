"""What a key exchange brings, and the requests and replies that it authenticates."""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from chronotick.ntp.address import Endpoint
from chronotick.ntp.checks import Drop, ReplyDroppedError
from chronotick.ntp.nts.fields import (
    Field,
    FieldError,
    FieldKind,
    Sealed,
    field_bytes,
    pack_field,
    read_fields,
)
from chronotick.ntp.nts.records import LONGEST_COOKIE, MOST_COOKIES
from chronotick.ntp.nts.siv import NONCE_BYTES, TAG_BYTES, Cipher
from chronotick.ntp.packet import HEADER_BYTES, Packet

UNIQUE_ID_BYTES = 32
"""At least that (RFC 8915, section 5.3)."""
LONGEST_REQUEST = 1232
"""Bytes: the smallest packet that every IPv6 route carries, without its headers."""
REFUSED = "NTSN"
"""Kiss code: the server cannot read our cookie (RFC 8915, section 5.7)."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Both directions.

    Attributes:
        to_server: authenticates requests.
        to_client: authenticates replies.
    """

    to_server: Cipher
    to_client: Cipher


class Session:
    """Keys and cookies for one time server.

    Args:
        endpoint: the time server that they are for.
        keys: the keys.
        cookies: the first cookies.
        began_s: ``time.monotonic()`` of the key exchange.

    Attributes:
        endpoint: the time server.
        began_s: when the keys were made.
        refused: the server did not accept the last cookie, and has given no valid reply since.
    """

    def __init__(
        self, endpoint: Endpoint, keys: Keys, cookies: Iterable[bytes], *, began_s: float
    ) -> None:
        self.endpoint = endpoint
        self.began_s = began_s
        self.refused = False
        self._keys = keys
        self._cookies = deque(cookies, maxlen=MOST_COOKIES)

    @property
    def cookies(self) -> int:
        """How many are left."""
        return len(self._cookies)

    def next_exchange(self) -> NtsSeal:
        """Take a cookie for one exchange. It is used up, whatever comes of it.

        Raises:
            IndexError: none is left.
        """
        return NtsSeal(self._keys, self._cookies.popleft(), missing=MOST_COOKIES - self.cookies)

    def finished(self, seal: NtsSeal) -> None:
        """Take in what an exchange brought."""
        self._cookies.extend(seal.new_cookies)
        if seal.authenticated or seal.refused:
            self.refused = not seal.authenticated


class NtsSeal:
    """Authenticates one exchange.

    Args:
        keys: of the session.
        cookie: goes with the request.
        missing: cookies wanted with the reply, at least one.

    Attributes:
        new_cookies: what the reply brought.
        authenticated: there was a genuine reply.
        refused: there was one that says that the cookie is not accepted. That one nobody can
            authenticate: it may be forged by whoever saw the request.
    """

    def __init__(self, keys: Keys, cookie: bytes, *, missing: int) -> None:
        self.new_cookies: tuple[bytes, ...] = ()
        self.authenticated = False
        self.refused = False
        self._keys = keys
        self._cookie = cookie
        self._missing = missing
        self._unique_id = secrets.token_bytes(UNIQUE_ID_BYTES)

    def seal(self, header: bytes) -> bytes:
        """Return the request: unique identifier, cookie, placeholders, authenticator."""
        packet = header + pack_field(FieldKind.UNIQUE_ID, self._unique_id)
        packet += pack_field(FieldKind.COOKIE, self._cookie)
        placeholder = pack_field(FieldKind.COOKIE_PLACEHOLDER, bytes(len(self._cookie)))
        room = LONGEST_REQUEST - len(packet) - _EMPTY_AUTHENTICATOR_BYTES
        packet += placeholder * max(min(self._missing - 1, room // len(placeholder)), 0)
        nonce = secrets.token_bytes(NONCE_BYTES)
        ciphertext = self._keys.to_server.encrypt(b"", nonce=nonce, associated=packet)
        return packet + pack_field(FieldKind.AUTHENTICATOR, Sealed(nonce, ciphertext).pack())

    def check(self, data: bytes, packet: Packet) -> None:
        """Check that a datagram is the server's reply to our request; keep its cookies.

        Raises:
            ReplyDroppedError: it is not, or says that the cookie is not accepted.
        """
        try:
            fields = list(_up_to_authenticator(data))
        except FieldError:
            raise ReplyDroppedError(Drop.FORGED, genuine=False) from None
        authenticator = fields.pop() if fields and _authenticates(fields[-1]) else None
        unique_ids = [field.body for field in fields if field.kind == FieldKind.UNIQUE_ID]
        if authenticator is None and not (packet.kiss_code == REFUSED and unique_ids):
            raise ReplyDroppedError(Drop.UNAUTHENTICATED, genuine=False)
        if unique_ids != [self._unique_id]:
            raise ReplyDroppedError(Drop.UNIQUE_ID, genuine=False)
        if authenticator is None:
            self.refused = True
            raise ReplyDroppedError(Drop.NTS_REFUSED, kiss=REFUSED)
        self._open(data, authenticator)

    def _open(self, data: bytes, authenticator: Field) -> None:
        try:
            sealed = Sealed.unpack(authenticator.body)
            inside = self._keys.to_client.decrypt(
                sealed.ciphertext, nonce=sealed.nonce, associated=data[: authenticator.start]
            )
            cookies = [each.body for each in read_fields(inside) if each.kind == FieldKind.COOKIE]
        except ValueError:  # FieldError is one
            raise ReplyDroppedError(Drop.FORGED, genuine=False) from None
        usable = [cookie for cookie in cookies if 0 < len(cookie) <= LONGEST_COOKIE]
        self.new_cookies = tuple(usable[: self._missing])
        self.authenticated = True


_EMPTY_AUTHENTICATOR_BYTES = field_bytes(
    len(Sealed(bytes(NONCE_BYTES), bytes(TAG_BYTES)).pack()),
)


def _up_to_authenticator(data: bytes) -> Iterable[Field]:
    for field in read_fields(data, HEADER_BYTES):
        yield field
        if _authenticates(field):
            return  # what follows is not authenticated: it does not exist


def _authenticates(field: Field) -> bool:
    return field.kind == FieldKind.AUTHENTICATOR
