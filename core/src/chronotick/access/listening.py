"""Where requests come in: sockets that are bound before anything is promised."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import socket
import stat
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from chronotick.config.tcp import Address, parse_host_port

UNIX = "unix:"
MODE = 0o660
BACKLOG = 128
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})


class ListenError(Exception):
    """Raised when requests cannot be listened for; the message says why and what to do."""


@dataclass(frozen=True)
class Listener:
    """Bound sockets.

    Attributes:
        sockets: all of them.
        url: how to ask there.
        names: values of ``Host``, without ports, that reach it on this host; ``None``: any, as no
            browser can.
        local: whether only programs of this host reach it.
    """

    sockets: Sequence[socket.socket]
    url: str
    names: frozenset[str] | None
    local: bool


def listening(text: str) -> AbstractContextManager[Listener]:
    """Listen at ``HOST:PORT`` or ``unix:PATH`` for the length of a ``with`` block.

    Raises:
        ValueError: it is of neither form.
        ListenError: when the block is entered: it cannot be listened at; another server may be
            there.
    """
    path = text.removeprefix(UNIX)
    if path and path != text:
        return _listening_unix(Path(path))
    try:
        address = parse_host_port(text)
    except ValueError as error:
        raise ValueError(f"{error}, nor unix:PATH") from None
    return listening_tcp(address)


@contextlib.contextmanager
def listening_tcp(address: Address) -> Iterator[Listener]:
    """Listen at an address for the length of a ``with`` block; port 0: any that is free.

    Raises:
        ListenError: it cannot be listened at; another server may be there.
    """
    host, port = address.host, address.port
    with contextlib.ExitStack() as stack:
        try:
            sockets = [stack.enter_context(each) for each in _bound(host, port)]
        except socket.gaierror as error:
            raise ListenError(
                f"{host} has no address: {error.strerror}. Give an address of this host, or a "
                "name of one"
            ) from error
        except OSError as error:
            raise ListenError(
                f"{host}:{port} cannot be listened at: {error.strerror or error}. Is another "
                "server there? Choose another address"
            ) from error
        shown = f"[{host}]" if ":" in host else host
        local = all(ipaddress.ip_address(each.getsockname()[0]).is_loopback for each in sockets)
        url = f"http://{shown}:{sockets[0].getsockname()[1]}/"
        yield Listener(sockets, url, LOOPBACK_NAMES | {shown}, local)


def _bound(host: str, port: int) -> Iterator[socket.socket]:
    """A socket for each address of a host, as ``localhost`` may have two."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    for family, kind, protocol, _, address in dict.fromkeys(found):
        bound = socket.socket(family, kind, protocol)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            bound.bind((address[0], port, *address[2:]))
            port = bound.getsockname()[1]  # where any that is free was asked for, the same for all
            bound.listen(BACKLOG)
        except BaseException:
            bound.close()
            raise
        yield bound


@contextlib.contextmanager
def _listening_unix(path: Path) -> Iterator[Listener]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as bound:
        try:
            _bind(bound, path)
        except OSError as error:
            raise ListenError(
                f"{path} cannot be listened at: {error.strerror or error}. Choose another place "
                "with --listen unix:PATH"
            ) from error
        made = path.lstat()
        try:
            yield Listener([bound], f"http+unix://{path}", None, local=True)
        finally:
            with contextlib.suppress(OSError):
                if os.path.samestat(path.lstat(), made):  # not that of a successor
                    path.unlink()


def _bind(bound: socket.socket, path: Path) -> None:
    try:
        owner = path.parent.stat().st_uid
    except FileNotFoundError:
        raise ListenError(
            f"the directory {path.parent} does not exist. Create it, or choose another place with "
            "--listen unix:PATH"
        ) from None
    if owner not in {os.geteuid(), 0}:
        raise ListenError(
            f"{path.parent} belongs to user {owner}. Choose another place with --listen unix:PATH"
        )
    _remove_stale(path)
    bound.bind(os.fspath(path))
    path.chmod(MODE)  # nobody can connect before listen()
    bound.listen(BACKLOG)


def _remove_stale(path: Path) -> None:
    """Remove a socket that a dead server has left."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise ListenError(f"{path} is in the way and is no socket. Move it elsewhere")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(0)  # a server with a full queue would keep us waiting
        if probe.connect_ex(os.fspath(path)) in {0, errno.EAGAIN}:
            raise ListenError(
                f"another server answers on {path}. Stop it, or choose another place with --listen"
            )
    path.unlink()
