"""A key, and the code by which packets are authenticated with it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

CIPHER_KEY_BYTES: Final[Mapping[str, int]] = MappingProxyType({"AES128": 16, "AES256": 32})
"""Types that are AES-CMAC (RFC 4493), with the length that their keys must have."""
HASHES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "SHA1": "sha1",
        "SHA256": "sha256",
        "SHA384": "sha384",
        "SHA512": "sha512",
        "SHA3-224": "sha3_224",
        "SHA3-256": "sha3_256",
        "SHA3-384": "sha3_384",
        "SHA3-512": "sha3_512",
    }
)
"""Types that are a hash of key and packet, as ``hashlib`` names it."""
ID_BYTES: Final = 4
LONGEST_DIGEST: Final = 20
"""Bytes of a digest that are sent in NTPv4 (RFC 7822, 7.5: with the key's number 24 at most)."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key that is shared with a server.

    Attributes:
        number: by which both sides name it, 1 to 2**32 - 1.
        kind: what is computed with it, a key of :data:`CIPHER_KEY_BYTES` or :data:`HASHES`.
        secret: never shown.
    """

    number: int
    kind: str
    secret: bytes = field(repr=False)

    def mac(self, data: bytes) -> bytes:
        """Return the code that stands behind a packet: the key's number and the digest.

        Raises:
            ImportError: AES is wanted and the package for it is not installed.
        """
        if self.kind in CIPHER_KEY_BYTES:
            digest = _cmac(self.secret, data)
        else:
            digest = hashlib.new(HASHES[self.kind], self.secret + data).digest()
        return self.number.to_bytes(ID_BYTES, "big") + digest[:LONGEST_DIGEST]


def _cmac(secret: bytes, data: bytes) -> bytes:
    """AES-CMAC (RFC 4493)."""
    from cryptography.hazmat.primitives.ciphers.algorithms import AES
    from cryptography.hazmat.primitives.cmac import CMAC

    code = CMAC(AES(secret))
    code.update(data)
    return code.finalize()
