"""From the name of a server to the addresses that can be asked."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chronotick.config.servers import Protocol, ServerName
from chronotick.ntp.lookup import Found, look_up


class ResolveError(OSError):
    """Raised when a name has no address. The message says what to check.

    Attributes:
        reason: what the resolver said.
    """

    def __init__(self, host: str, reason: str) -> None:
        super().__init__(
            f"{host}: the name has no address ({reason}). Check its spelling under "
            "clock_measurement.ntp.servers, and this host's DNS and network"
        )
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address that can be asked.

    Attributes:
        family: AF_INET, AF_INET6 or AF_UNIX.
        sockaddr: what ``connect`` takes: a tuple that begins with host and port, or a path.
        protocol: how it is asked.
        name: whom the certificate must be made out to, with NTS.
        key_id: number of the symmetric key; 0 without one.
    """

    family: int
    sockaddr: tuple[Any, ...] | str
    protocol: Protocol = Protocol.NTP
    name: str = ""
    key_id: int = 0

    @property
    def host(self) -> str:
        """Numeric address, or path."""
        return self.sockaddr if isinstance(self.sockaddr, str) else str(self.sockaddr[0])

    @property
    def port(self) -> int:
        """UDP port; TCP port of the key exchange with NTS; 0 with a path."""
        return 0 if isinstance(self.sockaddr, str) else int(self.sockaddr[1])

    def __str__(self) -> str:
        scheme = "" if self.protocol is Protocol.NTP else f"{self.protocol.value}://"
        if self.key_id:
            scheme += f"{self.key_id}@"
        if isinstance(self.sockaddr, str):
            return f"{scheme}{self.host}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}{host}:{self.port}"


async def resolve(server: ServerName) -> list[Endpoint]:
    """Look up every address of a server, in the order of preference of RFC 6724.

    Raises:
        ResolveError: there is none.
    """
    try:
        found = await _lookup(server)
    except (socket.gaierror, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a valid name"
        raise ResolveError(server.host, reason or str(error)) from error
    return list(dict.fromkeys(found))


async def _lookup(server: ServerName) -> list[Endpoint]:
    if server.is_path:
        return [Endpoint(socket.AF_UNIX, server.host, server.protocol)]
    if server.is_numeric:
        found: Sequence[Found] = socket.getaddrinfo(
            server.host, server.port, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST
        )
    else:
        found = await look_up(server.host, server.port, socket.SOCK_DGRAM)
    name = certificate_name(server)
    return [
        Endpoint(family, sockaddr, server.protocol, name, server.key_id)
        for family, _, _, _, sockaddr in found
    ]


def certificate_name(server: ServerName) -> str:
    """Whom a server's certificate must be made out to; empty where it needs none."""
    if server.protocol is not Protocol.NTS:
        return ""
    # A certificate knows neither the dot that ends a full name nor the zone of an address.
    return server.host.rstrip(".").partition("%")[0]
