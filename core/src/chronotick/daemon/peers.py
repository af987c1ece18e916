"""Who is at the other end of a Unix socket, by what the kernel says, and whether it may ask."""

from __future__ import annotations

import os
import socket
import struct
from dataclasses import dataclass
from typing import Final, Protocol

ROOT: Final = 0

_CREDENTIALS: Final = struct.Struct("=iII")  # struct ucred of unix(7): pid, uid, gid
_SO_PEERGROUPS: Final = 59  # Linux 4.13, asm-generic/socket.h; Python has no name for it
_GROUP: Final = struct.Struct("=I")
_MOST_GROUPS: Final = 256  # what Python's getsockopt() has room for, 1024 bytes


class Connected(Protocol):
    """A socket, or what asyncio shows of one."""

    def getsockopt(self, level: int, option: int, length: int, /) -> bytes:
        """As :meth:`socket.socket.getsockopt`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A process as it was when it connected.

    Attributes:
        pid: its number, 0 where it is in a process namespace that cannot be seen from here.
        uid: its effective user; of one from a user namespace without a name for it here, the
            kernel's overflow user (65534).
        gids: its effective group and its supplementary ones.
    """

    pid: int
    uid: int
    gids: frozenset[int]

    def __str__(self) -> str:
        """Name it for a log."""
        return f"process {self.pid} of user {self.uid}"


def peer_of(connection: Connected) -> Peer | None:
    """Return who has connected (``SO_PEERCRED``, unix(7)).

    Returns:
        ``None`` where the system does not tell: then the socket's permissions alone decide.
    """
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return None
    told = connection.getsockopt(socket.SOL_SOCKET, option, _CREDENTIALS.size)
    pid, uid, gid = _CREDENTIALS.unpack(told)
    return Peer(pid=pid, uid=uid, gids=frozenset({gid, *_supplementary(connection)}))


def may_ask(peer: Peer) -> bool:
    """Tell whether it is root, this process's user, or in this process's group."""
    return peer.uid in {ROOT, os.geteuid()} or os.getegid() in peer.gids


def _supplementary(connection: Connected) -> list[int]:
    try:
        told = connection.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, _MOST_GROUPS * _GROUP.size)
    except OSError:  # an old kernel, or more groups than there is room for: the first one counts
        return []
    return [gid for (gid,) in _GROUP.iter_unpack(told)]
