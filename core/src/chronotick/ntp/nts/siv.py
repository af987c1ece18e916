"""AEAD_AES_SIV_CMAC_256 (RFC 5297), and where its keys come from.

The package `cryptography` is imported here and nowhere else, when the first keys are made.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Final

from chronotick.ntp.nts.errors import KeyExchangeError, NtsDrop
from chronotick.ntp.nts.records import AES_SIV_CMAC_256, NTPV4

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV

KEY_BYTES: Final = 32
TAG_BYTES: Final = 16
"""By how much a ciphertext is longer than its plaintext."""
NONCE_BYTES: Final = 16

_LABEL = b"EXPORTER-network-time-security"
_TO_SERVER, _TO_CLIENT = b"\0", b"\1"


def require() -> type[AESSIV]:
    """Import the cipher.

    Raises:
        KeyExchangeError: the package is missing.
    """
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESSIV
    except ImportError:
        raise KeyExchangeError(NtsDrop.PACKAGES) from None
    return AESSIV


class Cipher:
    """One direction's key.

    Args:
        key: 32 bytes.
    """

    def __init__(self, key: bytes) -> None:
        self._siv = require()(key)

    def encrypt(self, plaintext: bytes, *, nonce: bytes, associated: bytes) -> bytes:
        """Return the ciphertext; it authenticates the associated data as well."""
        return self._siv.encrypt(plaintext, [associated, nonce])

    def decrypt(self, ciphertext: bytes, *, nonce: bytes, associated: bytes) -> bytes:
        """Return the plaintext.

        Raises:
            ValueError: something was changed, or made with another key.
        """
        from cryptography.exceptions import InvalidTag

        try:
            return self._siv.decrypt(ciphertext, [associated, nonce])
        except InvalidTag:
            raise ValueError("the authentication is wrong") from None


def session_keys(exporter_secret: bytes, digest: str) -> tuple[bytes, bytes]:
    """Derive both keys of a session (RFC 8915, sections 4.3 and 5.1).

    Args:
        exporter_secret: ``exporter_master_secret`` of the TLS connection.
        digest: hash function of its cipher suite, as ``hashlib`` names it.

    Returns:
        The key of requests, and that of replies.
    """
    context = NTPV4.to_bytes(2, "big") + AES_SIV_CMAC_256.to_bytes(2, "big")
    to_server, to_client = (
        export(exporter_secret, digest, _LABEL, context + direction)
        for direction in (_TO_SERVER, _TO_CLIENT)
    )
    return to_server, to_client


def export(secret: bytes, digest: str, label: bytes, context: bytes) -> bytes:
    """Export 32 bytes of keying material from a TLS 1.3 connection (RFC 8446, section 7.5)."""
    derived = _expand(secret, digest, label, hashlib.new(digest).digest())
    return _expand(derived, digest, b"exporter", hashlib.new(digest, context).digest(), KEY_BYTES)


def _expand(
    secret: bytes, digest: str, label: bytes, context: bytes, length: int | None = None
) -> bytes:
    """HKDF-Expand-Label (RFC 8446, section 7.1), for no more than one block of the hash."""
    length = length or hashlib.new(digest).digest_size
    label = b"tls13 " + label
    info = length.to_bytes(2, "big") + bytes([len(label)]) + label + bytes([len(context)]) + context
    return hmac.digest(secret, info + b"\1", digest)[:length]
