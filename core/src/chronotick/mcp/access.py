"""Where HTTP is listened at, and who may ask: this host, and elsewhere those who know a token.

Needs no SDK: what is wrong with an address or a token is said before that is loaded.
"""

from __future__ import annotations

import ipaddress
import socket
import stat
from pathlib import Path
from typing import Final

LEAST_TOKEN: Final = 16  # characters


class AccessError(Exception):
    """Raised when an address or a token file would let in anybody; the message says what to do."""


class ListenError(Exception):
    """Raised when an address cannot be listened at; the message says what to do."""


def read_token(path: Path) -> str:
    """Read a token file: one line.

    Raises:
        AccessError: it cannot be read, others can read it too, or it holds no token.
    """
    try:
        mode = path.stat().st_mode
        token = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise AccessError(f"{path}: the token cannot be read ({error})") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise AccessError(f"{path}: others may read the token. Run: chmod 600 {path}")
    if len(token) < LEAST_TOKEN or not token.isascii() or len(token.split()) != 1:
        raise AccessError(
            f"{path}: a token is one word of at least {LEAST_TOKEN} ASCII characters. "
            f"Run: openssl rand -hex 32 > {path}"
        )
    return token


def is_loopback(host: str) -> bool:
    """Whether only programs of this host reach it."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def token_for(host: str, path: Path | None) -> str | None:
    """Return the token that requests at an address must bear; ``None``: none is asked for.

    Raises:
        AccessError: the address is not loopback and there is no token file, or no good one.
    """
    if path is not None:
        return read_token(path)
    if not is_loopback(host):
        raise AccessError(
            f"{host} is not loopback, so anybody could ask. Name a file with a token: "
            "--token-file FILE"
        )
    return None


def listen(host: str, port: int) -> socket.socket:
    """Listen at an address; port 0: any that is free.

    Raises:
        ListenError: that is impossible.
    """
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(where)
        listener.listen()
    except OSError as error:
        raise ListenError(
            f"{host} port {port}: cannot listen ({error.strerror}). Is another server there? Name "
            "another address: --http HOST:PORT"
        ) from error
    return listener
