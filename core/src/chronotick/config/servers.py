"""What may stand under ``clock_measurement.ntp.servers``, and what it means."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

NTP_PORT = 123
FORMS = "host, host:port or [IPv6 address]:port"
_MAX_PORT = 65_535
_PORT = re.compile(r"0*[1-9][0-9]{0,4}")
_BRACKETED = re.compile(r"\[(?P<host>[^\[\]]+)\](?::(?P<port>.*))?")
_HOST_NAME = re.compile(r"(?!-)[\w-]{1,63}(?<!-)(\.(?!-)[\w-]{1,63}(?<!-))*\.?")
_POOL = re.compile(r"(?<![^\W\d_])pool(?![^\W\d_])", re.IGNORECASE)


class AddressError(ValueError):
    """Raised when a configured server is not `host`, `host:port`, `[v6]:port` or an address.

    Attributes:
        text: what was configured.
        reason: what is wrong with it.
    """

    def __init__(self, text: str, reason: str) -> None:
        super().__init__(f"{text!r}: {reason}")
        self.text = text
        self.reason = reason


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
        """A name stands for many servers when it has the word "pool" in it.

        The word stands alone between dots, digits, hyphens and underscores: `pool.ntp.org`,
        `0.pool.example`, `ntp-pool2.example`; not `liverpool.example`, which is one server.
        """
        return not self.is_numeric and _POOL.search(self.host) is not None

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


def parse_server(text: str) -> ServerName:
    """Read `host`, `host:port`, `[v6]:port`, `[v6]` or a bare IPv6 address.

    Raises:
        AddressError: the text is none of these.
    """
    bracketed = _BRACKETED.fullmatch(text)
    if bracketed:
        host, port = bracketed["host"], bracketed["port"]
        if not _is_ipv6(host):
            raise AddressError(text, "what stands in brackets is not an IPv6 address")
    elif _is_ipv6(text):
        return ServerName(text)
    else:
        host, colon, rest = text.partition(":")
        port = rest if colon else None
        if not _HOST_NAME.fullmatch(host):
            raise AddressError(text, "neither a host name nor an address")
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
    if not (_PORT.fullmatch(port) and int(port) <= _MAX_PORT):
        raise AddressError(text, f"port {port!r} is not a number from 1 to {_MAX_PORT}")
    return int(port)
