"""Symmetric keys on the virtual network: what servers answer that share one with the host."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from chronotick.lab.scenarios.events import Event, KeyReplaced
from chronotick.ntp.keys.mac import ID_BYTES, LONGEST_DIGEST, Key
from chronotick.ntp.packet import HEADER_BYTES, Packet

SHARED: Final = Key(10, "SHA256", b"known to both sides of a scenario")
"""What the host has in its file. Its type needs no package."""
_MOST_BYTES = HEADER_BYTES + ID_BYTES + LONGEST_DIGEST


def is_keyed(request: bytes) -> bool:
    """Whether a request ends with a code: extension fields are longer (RFC 7822, 7.5)."""
    return HEADER_BYTES < len(request) <= _MOST_BYTES


def write_keys(path: Path) -> Path:
    """Write the host's file of keys."""
    path.touch(mode=0o600)
    path.write_text(f"{SHARED.number} {SHARED.kind} HEX:{SHARED.secret.hex()}\n")
    return path


class KeyedServer:
    """What one server does about symmetric keys. All of them have the host's.

    Args:
        number: of the server.
        events: of which those count that happen to it.
    """

    def __init__(self, number: int, events: Iterable[Event]) -> None:
        mine = (each for each in events if isinstance(each, KeyReplaced))
        self._replaced_s = min((e.at_s for e in mine if number in e.servers), default=None)

    def answer(self, request: bytes, reply: Packet, at_s: float) -> bytes | None:
        """The datagram that answers a request; None, as of a chronyd, where the code is wrong."""
        key = self._key(at_s)
        if not hmac.compare_digest(request[HEADER_BYTES:], key.mac(request[:HEADER_BYTES])):
            return None
        return reply.pack() + key.mac(reply.pack())

    def _key(self, at_s: float) -> Key:
        if self._replaced_s is None or at_s < self._replaced_s:
            return SHARED
        return Key(SHARED.number, SHARED.kind, b"the host has not been told")
