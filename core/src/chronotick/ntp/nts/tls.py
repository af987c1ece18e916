"""The TLS connection of a key exchange, without threads, and its exporter secret.

Python's `ssl` checks certificates and names as a browser does, but has no call for exported keying
material (RFC 8446, section 7.5). It can write a key log, though, as OpenSSL does for debuggers, and
one line of it is the exporter secret. Here that log goes into a pipe that nobody else has, and is
read from it as soon as the handshake is over.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import socket
import ssl
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from chronotick.ntp.nts.errors import KeyExchangeError, NtsDrop

ALPN = "ntske/1"
"""What is spoken inside of TLS (RFC 8915, section 4)."""

_CHUNK = 16_384
_KEY_LOG_BYTES = 65_536
_EXPORTER_SECRET = re.compile(rb"^EXPORTER_SECRET [0-9a-fA-F]+ ([0-9a-fA-F]+)\s*$", re.MULTILINE)
_FD_DIRECTORY = "/proc/self/fd" if sys.platform == "linux" else "/dev/fd"
_Result = TypeVar("_Result")

# OpenSSL, x509_vfy.h; the ssl module does not name them.
_UNTRUSTED = frozenset({2, 18, 19, 20, 21})
_NOT_YET_VALID, _EXPIRED = 9, 10
_OTHER_NAME = frozenset({62, 64})


def client_context(trusted: Path | None) -> ssl.SSLContext:
    """Return how the other side is checked.

    Args:
        trusted: certificates that alone are trusted, a file or a directory; None: the system's.

    Raises:
        KeyExchangeError: they cannot be read.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # checks certificate and host name
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols([ALPN])
    if trusted is None:
        context.load_default_certs()
        return context
    try:
        context.load_verify_locations(**{"capath" if trusted.is_dir() else "cafile": str(trusted)})
    except OSError as error:  # ssl.SSLError is one
        reason = error.strerror if not isinstance(error, ssl.SSLError) else None
        raise KeyExchangeError(
            NtsDrop.TRUST,
            f"nts_trusted_certs {trusted}: {reason or 'there is no certificate in it'}",
        ) from None
    return context


class TlsStream:
    """A TLS connection over a connected, non-blocking socket. Closing the socket ends it.

    Args:
        sock: the socket.
        name: whom the certificate must be made out to.
        context: how the other side is checked; for this connection alone.
    """

    def __init__(self, sock: socket.socket, name: str, context: ssl.SSLContext) -> None:
        self._sock = sock
        self._context = context
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name)

    async def handshake(self) -> tuple[bytes, str]:
        """Do the handshake.

        Returns:
            The exporter secret, and the hash function that belongs to it, as `hashlib` names it.

        Raises:
            KeyExchangeError: the other side is not who it should be, or speaks something else.
            OSError: the connection broke.
        """
        with _key_log(self._context) as read_log:
            await self._do(self._tls.do_handshake)
            log = read_log()
        if self._tls.selected_alpn_protocol() != ALPN:
            raise KeyExchangeError(NtsDrop.TLS, f"it does not speak {ALPN}. Check host and port")
        return _secret(log), self._digest()

    def _digest(self) -> str:
        cipher = self._tls.cipher()
        return "sha384" if cipher is not None and cipher[0].endswith("SHA384") else "sha256"

    async def send(self, data: bytes) -> None:
        """Send.

        Raises:
            KeyExchangeError: the other side ended it, and said why.
            OSError: the connection broke.
        """
        await self._do(lambda: self._tls.write(data))

    async def receive(self) -> bytes:
        """Return what comes next, nothing at the end.

        Raises:
            KeyExchangeError: the other side ended it, and said why.
            OSError: the connection broke.
        """
        return await self._do(self._read)

    def _read(self) -> bytes:
        try:
            return self._tls.read(_CHUNK)
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""

    async def _do(self, step: Callable[[], _Result]) -> _Result:
        """Do a step of TLS, as often as it takes for what it needs to come."""
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:  # noqa: PERF203 - that is how it asks for more
                await self._flush()
                await self._fill()
            except ssl.SSLError as error:
                with contextlib.suppress(OSError):  # say why, if they still listen
                    await self._flush()
                raise _explained(error) from None
            else:
                await self._flush()
                return result

    async def _flush(self) -> None:
        if self._outgoing.pending:
            await asyncio.get_running_loop().sock_sendall(self._sock, self._outgoing.read())

    async def _fill(self) -> None:
        data = await asyncio.get_running_loop().sock_recv(self._sock, _CHUNK)
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()


@contextlib.contextmanager
def _key_log(context: ssl.SSLContext) -> Iterator[Callable[[], bytes]]:
    """Have a context log into a pipe; yields what reads it."""
    reading, writing = os.pipe()
    try:
        os.set_blocking(reading, False)
        context.keylog_filename = f"{_FD_DIRECTORY}/{writing}"  # opens the pipe once more
        yield lambda: _read_now(reading)
    finally:
        context.keylog_filename = None  # type: ignore[assignment]  # closes that
        os.close(writing)
        os.close(reading)


def _read_now(fd: int) -> bytes:
    try:
        return os.read(fd, _KEY_LOG_BYTES)
    except BlockingIOError:  # nothing was logged
        return b""


def _secret(log: bytes) -> bytes:
    found = _EXPORTER_SECRET.search(log)
    if found is None:
        raise KeyExchangeError(NtsDrop.TLS, "this Python's TLS library gives out no keys for NTS")
    return bytes.fromhex(found[1].decode("ascii"))


def _explained(error: ssl.SSLError) -> KeyExchangeError:
    if isinstance(error, ssl.SSLCertVerificationError):
        return KeyExchangeError(NtsDrop.CERTIFICATE, _certificate(error))
    reason = (error.reason or str(error)).replace("_", " ").lower()
    return KeyExchangeError(NtsDrop.TLS, f"{reason}. Check host and port")


def _certificate(error: ssl.SSLCertVerificationError) -> str:
    if error.verify_code == _EXPIRED:
        return "it has expired, by the clock of this host. Check that clock, then ask its operator"
    if error.verify_code == _NOT_YET_VALID:
        return "it is not valid yet, by the clock of this host. Set that clock: it is probably slow"
    if error.verify_code in _OTHER_NAME:
        return "it is made out to another name. Write the server as its operator does"
    if error.verify_code in _UNTRUSTED:
        return (
            "nobody whom this host trusts has signed it. Install the system's certificates "
            "(package ca-certificates), or give its authority's as nts_trusted_certs"
        )
    return error.verify_message
