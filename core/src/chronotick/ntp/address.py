"""From the name of a server to the addresses that can be asked."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chronotick.config.servers import ServerName
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
        family: AF_INET or AF_INET6.
        sockaddr: what ``connect`` takes; host and port come first.
    """

    family: int
    sockaddr: tuple[Any, ...]

    @property
    def host(self) -> str:
        """Numeric address."""
        return str(self.sockaddr[0])

    @property
    def port(self) -> int:
        """UDP port."""
        return int(self.sockaddr[1])

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


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
    if server.is_numeric:
        found: Sequence[Found] = socket.getaddrinfo(
            server.host, server.port, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST
        )
    else:
        found = await look_up(server.host, server.port, socket.SOCK_DGRAM)
    return [Endpoint(family, sockaddr) for family, _, _, _, sockaddr in found]
