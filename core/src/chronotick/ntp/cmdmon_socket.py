"""Datagram sockets to chronyd: over UDP on loopback, or over its Unix socket.

A Unix socket is answered only at a path that chronyd can write to. chronyd runs as a user of its
own, often in a file system view of its own (``PrivateTmp=``), so that path is beside its socket, as
``chronyc`` has it, in a directory with a random name that others can pass but not list.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

from chronotick.ntp.address import Endpoint

_PASS_ONLY = 0o711  # chronyd has to get through to the socket; nobody but us may list or write
_ANYBODY_WRITES = 0o666  # to a connected socket the kernel lets only its peer write


@contextlib.contextmanager
def connected(endpoint: Endpoint) -> Iterator[socket.socket]:
    """Open a non-blocking socket that hears chronyd and nobody else, and close it at the end.

    Raises:
        OSError: nobody is there, or this user may not ask.
    """
    with socket.socket(endpoint.family, socket.SOCK_DGRAM) as sock:
        sock.settimeout(0)  # non-blocking
        sock.connect(endpoint.sockaddr)
        if endpoint.family != socket.AF_UNIX:
            yield sock
            return
        with _bound_beside(sock, Path(endpoint.host)):
            yield sock


@contextlib.contextmanager
def _bound_beside(sock: socket.socket, server: Path) -> Iterator[None]:
    folder = tempfile.mkdtemp(prefix="chronotick-", dir=server.parent)
    try:
        sock.bind(f"{folder}/sock")
        _open_to_chronyd(folder)
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _open_to_chronyd(folder: str) -> None:
    # By descriptor and name within: the directory above may be chronyd's own, and a chronyd that
    # has been taken over must not trick root into opening another file by a link in our place.
    found = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        if os.fstat(found).st_uid != os.geteuid():
            raise PermissionError(f"{folder} was replaced by somebody else")
        os.chmod("sock", _ANYBODY_WRITES, dir_fd=found)
        os.fchmod(found, _PASS_ONLY)
    finally:
        os.close(found)
