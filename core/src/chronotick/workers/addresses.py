"""Addresses of servers of models: ``tcp://HOST:PORT``, and nothing else."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"tcp://{host}:{self.port}"


def parse_address(text: str) -> Address:
    """Read ``tcp://HOST:PORT``.

    Raises:
        ValueError: it is not of this form.
    """
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:  # brackets that do not match, a port that is no number
        parts, host, port = urlsplit(""), None, None
    rest = (parts.path, parts.query, parts.fragment, parts.username)
    if parts.scheme != "tcp" or not host or port is None or any(rest):
        raise ValueError(
            f"{text!r} is not of the form tcp://HOST:PORT (the connection is always encrypted)"
        )
    return Address(host, port)


async def resolve(address: Address) -> list[str]:
    """Find the endpoints behind a name, best first.

    Not left to ZeroMQ, which says nothing about a name that is not known.

    Raises:
        OSError: the name is not known; the message is for people.
    """
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OSError(
            f"host {address.host} is not known ({reason}): look at the address {address}"
        ) from error
    hosts = dict.fromkeys(str(entry[4][0]) for entry in found)
    return [str(Address(host, address.port)) for host in hosts]
