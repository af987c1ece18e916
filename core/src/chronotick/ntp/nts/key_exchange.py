"""One key exchange: a TLS connection, our message, the server's (RFC 8915, section 4)."""

from __future__ import annotations

import asyncio
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

from chronotick.ntp.address import Endpoint
from chronotick.ntp.nts.errors import KeyExchangeError, NtsDrop
from chronotick.ntp.nts.records import REQUEST, Grant, RecordReader, read_grant
from chronotick.ntp.nts.session import Keys
from chronotick.ntp.nts.siv import Cipher, require, session_keys
from chronotick.ntp.nts.tls import TlsStream, client_context

TIMEOUT_S = 5.0
"""For the whole exchange: three round trips and a busy server. Others wait for it at the start."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """What came of it.

    Attributes:
        keys: for the time server.
        grant: cookies, and where that server is.
    """

    keys: Keys
    grant: Grant


def prepare(trusted: Path | None) -> ssl.SSLContext:
    """Make ready for one key exchange; nobody is bothered yet.

    Args:
        trusted: certificates that alone are trusted, a file or a directory; None: the system's.

    Raises:
        KeyExchangeError: this host lacks something.
    """
    require()
    return client_context(trusted)


async def exchange_keys(
    endpoint: Endpoint, context: ssl.SSLContext, timeout_s: float = TIMEOUT_S
) -> Agreement:
    """Get keys and cookies.

    Args:
        endpoint: the server for keys, with its name.
        context: of :func:`prepare`, for this exchange alone.
        timeout_s: how long all of it may take.

    Raises:
        KeyExchangeError: there are none; with the reason.
    """
    talking = asyncio.ensure_future(_talk(endpoint, context))
    try:
        # Not wait_for(): before Python 3.12 it can swallow a cancellation.
        await asyncio.wait({talking}, timeout=timeout_s)
    finally:
        late = talking.cancel()
    if late:
        await asyncio.wait({talking})  # until its socket is closed
        raise KeyExchangeError(NtsDrop.TIMEOUT, f"more than {timeout_s:g} s")
    return talking.result()


async def _talk(endpoint: Endpoint, context: ssl.SSLContext) -> Agreement:
    with socket.socket(endpoint.family, socket.SOCK_STREAM) as sock:
        sock.settimeout(0)  # non-blocking
        # Our message follows right upon the end of the handshake, and would wait for its receipt:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            await asyncio.get_running_loop().sock_connect(sock, endpoint.sockaddr)
            return await _agree(TlsStream(sock, endpoint.name, context))
        except OSError as error:
            raise KeyExchangeError(
                NtsDrop.CONNECTION,
                f"{error.strerror or error}. Check the server's name, and that TCP port "
                f"{endpoint.port} is open",
            ) from None


async def _agree(stream: TlsStream) -> Agreement:
    secret, digest = await stream.handshake()
    await stream.send(REQUEST)
    reader = RecordReader()
    while not reader.complete:
        data = await stream.receive()
        if not data:
            raise KeyExchangeError(NtsDrop.PROTOCOL, "it closed before its message was whole")
        reader.feed(data)
    grant = read_grant(reader.records)
    to_server, to_client = session_keys(secret, digest)
    return Agreement(Keys(Cipher(to_server), Cipher(to_client)), grant)
