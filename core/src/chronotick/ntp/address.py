"""From the configured text of a server to the addresses that can be asked."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import re
import socket
import threading
from dataclasses import dataclass
from typing import Any

NTP_PORT = 123
_MAX_PORT = 65_535
_BRACKETED = re.compile(r"\[(?P<host>[^\[\]]+)\](?::(?P<port>.*))?")
_HOST_NAME = re.compile(r"(?!-)[\w-]{1,63}(?<!-)(\.(?!-)[\w-]{1,63}(?<!-))*\.?")


class AddressError(ValueError):
    """Raised when a configured server is not `host`, `host:port`, `[v6]:port` or an address."""


class ResolveError(OSError):
    """Raised when a name has no address. The message says what to check."""


@dataclass(frozen=True, slots=True)
class ServerName:
    """A server as configured.

    Attributes:
        host: name or numeric address.
        port: UDP port.
    """

    host: str
    port: int = NTP_PORT

    @property
    def is_pool(self) -> bool:
        """A name stands for many servers when one of its labels contains "pool"."""
        return not self.is_numeric and "pool" in self.host.lower()

    @property
    def is_numeric(self) -> bool:
        """The host is an address: nothing has to be looked up."""
        try:
            ipaddress.ip_address(self.host)
        except ValueError:
            return False
        return True

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == NTP_PORT else f"{host}:{self.port}"


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


def parse_server(text: str) -> ServerName:
    """Read `host`, `host:port`, `[v6]:port`, `[v6]` or a bare IPv6 address.

    Raises:
        AddressError: the text is none of these.
    """
    bracketed = _BRACKETED.fullmatch(text)
    if bracketed:
        host, port = bracketed["host"], bracketed["port"]
        if not _is_ipv6(host):
            raise AddressError(f"{text!r}: what stands in brackets is not an IPv6 address")
    elif _is_ipv6(text):
        return ServerName(text)
    else:
        host, colon, rest = text.partition(":")
        port = rest if colon else None
        if not _HOST_NAME.fullmatch(host):
            raise AddressError(
                f"{text!r} is not a server: write host, host:port, or [IPv6 address]:port"
            )
    return ServerName(host, _parse_port(text, port))


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def _parse_port(text: str, port: str | None) -> int:
    if port is None:
        return NTP_PORT
    if not (port.isascii() and port.isdigit() and 0 < int(port) <= _MAX_PORT):
        raise AddressError(f"{text!r}: port {port!r} is not a number from 1 to {_MAX_PORT}")
    return int(port)


async def resolve(server: ServerName) -> list[Endpoint]:
    """Look up every address of a server, in the order of preference of RFC 6724.

    Raises:
        ResolveError: there is none.
    """
    try:
        found = await _lookup(server)
    except (socket.gaierror, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a valid name"
        raise ResolveError(
            f"{server.host}: the name has no address ({reason}). Check its spelling under "
            "clock_measurement.ntp.servers, and this host's DNS and network"
        ) from error
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
