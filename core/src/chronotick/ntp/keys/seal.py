"""Requests and replies that end with a message authentication code."""

from __future__ import annotations

import hmac

from chronotick.ntp.checks import Drop, ReplyDroppedError
from chronotick.ntp.keys.mac import ID_BYTES, Key
from chronotick.ntp.packet import HEADER_BYTES, Packet

_CRYPTO_NAK = bytes(ID_BYTES)  # RFC 5905, section 9.2: the number 0 and no digest


class KeySeal:
    """Authenticates one exchange.

    Args:
        key: shared with the server.
    """

    def __init__(self, key: Key) -> None:
        self._key = key

    def seal(self, header: bytes) -> bytes:
        """Return the request: header and code."""
        return header + self._key.mac(header)

    def check(self, data: bytes, packet: Packet) -> None:  # noqa: ARG002 - nothing in it matters
        """Check that a datagram is header and code, by our key.

        Nothing may stand between them. We asked for no extension field, and a hash of key and
        packet can be continued by who has seen one: SHA-1's, which is sent whole, as the hash of
        key, packet and more behind it.

        Raises:
            ReplyDroppedError: it is not, or says that the key is not accepted.
        """
        header, code = data[:HEADER_BYTES], data[HEADER_BYTES:]
        if not code:
            raise ReplyDroppedError(Drop.UNAUTHENTICATED, genuine=False)
        if code == _CRYPTO_NAK:
            raise ReplyDroppedError(Drop.CRYPTO_NAK)
        if not hmac.compare_digest(code, self._key.mac(header)):
            raise ReplyDroppedError(Drop.FORGED, genuine=False)
