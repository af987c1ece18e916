"""The server's side of NTS (RFC 8915): bytes in, bytes out, no sockets, no clocks and no TLS.

As the RFC's section 6 suggests, a cookie holds the keys of its client, encrypted with a key that
the server alone has. So the server remembers nothing of its clients.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from chronotick.ntp.nts.fields import (
    FieldError,
    FieldKind,
    Sealed,
    pack_field,
    read_fields,
)
from chronotick.ntp.nts.records import (
    AES_SIV_CMAC_256,
    MOST_COOKIES,
    NTPV4,
    Kind,
    Record,
    RecordReader,
)
from chronotick.ntp.nts.session import REFUSED
from chronotick.ntp.nts.siv import KEY_BYTES, NONCE_BYTES, Cipher, session_keys
from chronotick.ntp.packet import HEADER_BYTES, Packet
from chronotick.ntp.replying import kiss


class NtsResponder:
    """Gives keys and cookies, and answers requests that come with one.

    Another responder cannot read its cookies: that is a server whose key for cookies is another.

    Raises:
        KeyExchangeError: the package `cryptography` is missing.
    """

    def __init__(self) -> None:
        self._cookie_key = Cipher(secrets.token_bytes(KEY_BYTES))

    def agree(self, request: bytes, exporter_secret: bytes, digest: str) -> bytes:
        """The answer to a client's message of the key exchange (section 4).

        Args:
            request: the message, whole.
            exporter_secret: of the TLS connection, which both sides know.
            digest: hash function of its cipher suite, as ``hashlib`` names it.

        Raises:
            ValueError: the client wants what this server does not have.
        """
        reader = RecordReader()
        reader.feed(request)
        wanted = {record.kind: record.body for record in reader.records}
        protocol, aead = NTPV4.to_bytes(2, "big"), AES_SIV_CMAC_256.to_bytes(2, "big")
        if wanted != {Kind.NEXT_PROTOCOL: protocol, Kind.AEAD: aead, Kind.END: b""}:
            raise ValueError("the client asks for something else than NTPv4 with AES-SIV")
        keys = session_keys(exporter_secret, digest)
        records = [Record(Kind.NEXT_PROTOCOL, protocol), Record(Kind.AEAD, aead)]
        records += [
            Record(Kind.COOKIE, self._cookie(*keys), critical=False) for _ in range(MOST_COOKIES)
        ]
        return b"".join(record.pack() for record in (*records, Record(Kind.END)))

    def answer(self, request: bytes, reply: Packet) -> bytes:
        """The datagram that answers a request (section 5.7).

        Args:
            request: the datagram, whose header has been read already.
            reply: what the server has to say.

        Returns:
            The reply, authenticated and with as many cookies as are wanted; with the kiss code NTSN
            and not authenticated where the request is not; bare where nothing of NTS was in it.
        """
        asked = _Asked.read(request)
        if asked is None:
            return reply.pack()
        try:
            to_server, to_client = self._keys(asked.cookie)
            Cipher(to_server).decrypt(
                asked.seal.ciphertext, nonce=asked.seal.nonce, associated=asked.associated
            )
        except ValueError:
            return kiss(reply, REFUSED).pack() + asked.unique_id
        cookies = (self._cookie(to_server, to_client) for _ in range(asked.cookies))
        inside = b"".join(pack_field(FieldKind.COOKIE, cookie) for cookie in cookies)
        head = reply.pack() + asked.unique_id
        return head + pack_field(FieldKind.AUTHENTICATOR, _seal(Cipher(to_client), inside, head))

    def _cookie(self, to_server: bytes, to_client: bytes) -> bytes:
        return _seal(self._cookie_key, to_server + to_client, b"")

    def _keys(self, cookie: bytes) -> tuple[bytes, bytes]:
        """The keys in a cookie.

        Raises:
            ValueError: it is not ours, or no cookie.
        """
        sealed = Sealed.unpack(cookie)
        keys = self._cookie_key.decrypt(sealed.ciphertext, nonce=sealed.nonce, associated=b"")
        return keys[:KEY_BYTES], keys[KEY_BYTES:]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A request with NTS: as much of it as a server needs.

    Attributes:
        unique_id: the field, as it is on the wire.
        cookie: the one that was sent.
        cookies: how many are wanted back.
        seal: the authenticator.
        associated: what it authenticates.
    """

    unique_id: bytes
    cookie: bytes
    cookies: int
    seal: Sealed
    associated: bytes

    @classmethod
    def read(cls, request: bytes) -> _Asked | None:
        """Read a request; None where it has no cookie, or is not sealed."""
        try:
            fields = list(read_fields(request, HEADER_BYTES))
            found = {field.kind: field for field in fields}
            seal = found[FieldKind.AUTHENTICATOR]
            return cls(
                unique_id=pack_field(FieldKind.UNIQUE_ID, found[FieldKind.UNIQUE_ID].body),
                cookie=found[FieldKind.COOKIE].body,
                cookies=1 + sum(each.kind == FieldKind.COOKIE_PLACEHOLDER for each in fields),
                seal=Sealed.unpack(seal.body),
                associated=request[: seal.start],
            )
        except (FieldError, KeyError):
            return None


def _seal(cipher: Cipher, inside: bytes, associated: bytes) -> bytes:
    """The nonce and what is encrypted with it, as an authenticator field has them."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    ciphertext = cipher.encrypt(inside, nonce=nonce, associated=associated)
    return Sealed(nonce, ciphertext).pack()
