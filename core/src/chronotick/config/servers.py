"""What may stand under ``clock_measurement.ntp.servers``, and what it means."""

from __future__ import annotations

import enum
import ipaddress
import re
from dataclasses import dataclass

NTP_PORT = 123
NTS_PORT = 4460
"""TCP port of NTS key establishment (RFC 8915, section 7.1)."""
CHRONYD_PORT = 323
"""UDP port of chronyd's monitoring protocol, unless its ``cmdport`` says otherwise."""
FORMS = "host, host:port, [IPv6 address]:port, nts://host, key://ID@host or chronyd"
_MAX_PORT = 65_535
_PORT = re.compile(r"0*[1-9][0-9]{0,4}")
_BRACKETED = re.compile(r"\[(?P<host>[^\[\]]+)\](?::(?P<port>.*))?")
_HOST_NAME = re.compile(r"(?!-)[\w-]{1,63}(?<!-)(\.(?!-)[\w-]{1,63}(?<!-))*\.?")
_NTS_SCHEME = "nts://"
_KEY_SCHEME = "key://"
_ONE_OF_BOTH = "a server has NTS or a symmetric key, not both: nts://host or key://ID@host"
_KEY_ID = re.compile(r"0*[1-9][0-9]{0,9}")
_LARGEST_KEY_ID = 2**32 - 1
_CHRONYD = "chronyd"
_CHRONYD_SCHEME = "chronyd://"
_CHRONYD_ADDRESS = "127.0.0.1"
_MAX_SOCKET_PATH = 107  # bytes: sun_path of Linux without its end
_POOL = re.compile(r"(?<![^\W\d_])pool(?![^\W\d_])", re.IGNORECASE)


class AddressError(ValueError):
    """Raised when a configured server is none of the forms that `parse_server` reads.

    Attributes:
        text: what was configured.
        reason: what is wrong with it.
    """

    def __init__(self, text: str, reason: str) -> None:
        super().__init__(f"{text!r}: {reason}")
        self.text = text
        self.reason = reason


class Protocol(str, enum.Enum):
    """In what language a server is asked."""

    NTP = "ntp"
    NTS = "nts"  # NTP, authenticated (RFC 8915)
    KEY = "key"  # NTP, authenticated by a key that both sides have (RFC 8573)
    CHRONYD = "chronyd"  # chronyd's monitoring protocol, which chronyc speaks


@dataclass(frozen=True, slots=True)
class ServerName:
    """A server as configured.

    Attributes:
        host: name or numeric address; of a chronyd it may be the path of its Unix socket.
        port: UDP port; TCP port of the key exchange with NTS; 0 with a path.
        protocol: how it is asked.
        key_id: number of the symmetric key; 0 without one.
    """

    host: str
    port: int = NTP_PORT
    protocol: Protocol = Protocol.NTP
    key_id: int = 0

    @property
    def is_pool(self) -> bool:
        """A name stands for many servers when it has the word "pool" in it.

        The word stands alone between dots, digits, hyphens and underscores: `pool.ntp.org`,
        `0.pool.example`, `ntp-pool2.example`; not `liverpool.example`, which is one server.
        """
        named = not (self.is_path or self.is_numeric)
        return named and _POOL.search(self.host) is not None

    @property
    def is_authenticated(self) -> bool:
        """Its replies are proven to be its own."""
        return self.protocol in {Protocol.NTS, Protocol.KEY}

    @property
    def is_path(self) -> bool:
        """The host is the path of a Unix socket."""
        return self.host.startswith("/")

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
        if self.protocol is Protocol.CHRONYD:
            return self._chronyd_text(host)
        if self.protocol is Protocol.NTS:
            return f"{_NTS_SCHEME}{host}{'' if self.port == NTS_PORT else f':{self.port}'}"
        if self.protocol is Protocol.KEY:
            place = host if self.port == NTP_PORT else f"{host}:{self.port}"
            return f"{_KEY_SCHEME}{self.key_id}@{place}"
        # A time server whose name is "chronyd" is told from the monitoring protocol by its port:
        plain = self.port == NTP_PORT and self.host != _CHRONYD
        return host if plain else f"{host}:{self.port}"

    def _chronyd_text(self, host: str) -> str:
        if self.is_path:
            return f"{_CHRONYD_SCHEME}{host}"
        if (self.host, self.port) == (_CHRONYD_ADDRESS, CHRONYD_PORT):
            return _CHRONYD
        return f"{_CHRONYD_SCHEME}{host}:{self.port}"


def parse_server(text: str) -> ServerName:
    """Read a server: an NTP server, authenticated or not, or the chronyd of this host.

    An NTP server is `host`, `host:port`, `[v6]:port`, `[v6]` or a bare IPv6 address; with
    `nts://` before it, NTS is spoken, and the port is that of the key exchange; with `key://ID@`
    before it, the key of that number authenticates. The chronyd is `chronyd`, `chronyd://address`,
    `chronyd://address:port` or `chronyd:///path/of/its.sock`.

    Raises:
        AddressError: the text is none of these.
    """
    if text == _CHRONYD or text.startswith(_CHRONYD_SCHEME):
        return _parse_chronyd(text)
    if text.startswith(_NTS_SCHEME):
        return _parse_nts(text)
    if text.startswith(_KEY_SCHEME):
        return _parse_keyed(text)
    _check_no_scheme(text)
    host, port = _parse_place(text)
    return ServerName(host, NTP_PORT if port is None else port)


def _check_no_scheme(text: str) -> None:
    """Refuse one that is none of ours, with how ours are written."""
    scheme, mark, _ = text.partition("://")
    ours = (_NTS_SCHEME, _KEY_SCHEME, _CHRONYD_SCHEME)
    if mark and f"{scheme}{mark}".lower() in ours:
        raise AddressError(text, f"the scheme is written {scheme.lower()}{mark}")
    if mark:
        raise AddressError(text, f"the only schemes are {', '.join(ours)}; plain NTP has none")


def _parse_place(text: str) -> tuple[str, int | None]:
    bracketed = _BRACKETED.fullmatch(text)
    if bracketed:
        host, port = bracketed["host"], bracketed["port"]
        if not _is_ipv6(host):
            raise AddressError(text, "what stands in brackets is not an IPv6 address")
    elif _is_ipv6(text):
        return text, None
    else:
        host, colon, rest = text.partition(":")
        port = rest if colon else None
        if not _HOST_NAME.fullmatch(host):
            raise AddressError(text, "neither a host name nor an address")
    return host, None if port is None else _parse_port(text, port)


def _parse_nts(text: str) -> ServerName:
    place = text[len(_NTS_SCHEME) :]
    if "@" in place:
        raise AddressError(text, _ONE_OF_BOTH)
    host, port = _parse_inner(text, place)
    return ServerName(host, NTS_PORT if port is None else port, Protocol.NTS)


def _parse_keyed(text: str) -> ServerName:
    id_text, at, place = text[len(_KEY_SCHEME) :].partition("@")
    if not at:
        raise AddressError(text, "which key? Give its number: key://ID@host")
    if place.startswith(_NTS_SCHEME):
        raise AddressError(text, _ONE_OF_BOTH)
    try:
        key_id = parse_key_id(id_text)
    except ValueError as error:
        raise AddressError(text, str(error)) from None
    host, port = _parse_inner(text, place)
    return ServerName(host, NTP_PORT if port is None else port, Protocol.KEY, key_id)


def parse_key_id(text: str) -> int:
    """Read the number of a symmetric key.

    Raises:
        ValueError: it is none; the message does not repeat the text, which may be a secret.
    """
    if not (_KEY_ID.fullmatch(text) and int(text) <= _LARGEST_KEY_ID):
        raise ValueError(f"the key's ID is not a number from 1 to {_LARGEST_KEY_ID}")
    return int(text)


def _parse_inner(text: str, place: str) -> tuple[str, int | None]:
    """Read what stands behind a scheme; a refusal is one of the whole text."""
    try:
        return _parse_place(place)
    except AddressError as error:
        raise AddressError(text, error.reason) from None


def _parse_chronyd(text: str) -> ServerName:
    place = text[len(_CHRONYD_SCHEME) :] or _CHRONYD_ADDRESS
    if place.startswith("/"):
        return ServerName(_socket_path(text, place), 0, Protocol.CHRONYD)
    host, port = _parse_inner(text, place)
    if not is_loopback(host):
        raise AddressError(
            text, "a chronyd tells of its own host's clock: give 127.0.0.1, [::1] or its socket"
        )
    return ServerName(host, CHRONYD_PORT if port is None else port, Protocol.CHRONYD)


def _socket_path(text: str, path: str) -> str:
    if not path.isprintable() or len(path.encode()) > _MAX_SOCKET_PATH:
        raise AddressError(text, f"not the path of a socket, of {_MAX_SOCKET_PATH} bytes at most")
    return path


def is_loopback(host: str) -> bool:
    """Whether a host is given by an address of this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def _parse_port(text: str, port: str) -> int:
    if not (_PORT.fullmatch(port) and int(port) <= _MAX_PORT):
        raise AddressError(text, f"port {port!r} is not a number from 1 to {_MAX_PORT}")
    return int(port)
