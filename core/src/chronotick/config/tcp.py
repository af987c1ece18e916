"""Addresses to listen at or to reach: ``tcp://HOST:PORT`` of servers of models, else HOST:PORT."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens. A host is in small letters."""

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


def parse_host_port(text: str) -> Address:
    """Read ``HOST:PORT``, an IPv6 address in brackets.

    Raises:
        ValueError: it is not of this form.
    """
    try:
        return parse_address(f"tcp://{text}")
    except ValueError:
        raise ValueError(f"{text!r} is not of the form HOST:PORT or [IPv6 ADDRESS]:PORT") from None
