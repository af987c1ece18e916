"""From the name of a server to the addresses that can be asked."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from dataclasses import dataclass
from typing import Any

from chronotick.config.servers import ServerName


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
        return _getaddrinfo(server, socket.AI_NUMERICHOST)
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[list[Endpoint]] = loop.create_future()

    def deliver(endpoints: list[Endpoint] | None, error: Exception | None) -> None:
        if answer.done():  # nobody waits any more
            return
        if error is not None:
            answer.set_exception(error)
        elif endpoints is not None:
            answer.set_result(endpoints)

    def work() -> None:
        endpoints, failure = None, None
        try:
            endpoints = _getaddrinfo(server, 0)
        except (OSError, UnicodeError) as error:
            failure = error
        with contextlib.suppress(RuntimeError):  # the loop was closed in the meantime
            loop.call_soon_threadsafe(deliver, endpoints, failure)

    # Not the loop's executor: asyncio.run() waits for it at the end, and a resolver without a
    # network can take half a minute. A daemon thread is simply left behind.
    threading.Thread(target=work, name=f"resolve-{server.host}", daemon=True).start()
    return await answer


def _getaddrinfo(server: ServerName, flags: int) -> list[Endpoint]:
    found = socket.getaddrinfo(
        server.host, server.port, type=socket.SOCK_DGRAM, proto=socket.IPPROTO_UDP, flags=flags
    )
    return [Endpoint(family, sockaddr) for family, _, _, _, sockaddr in found]
