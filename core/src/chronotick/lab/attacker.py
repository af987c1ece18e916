"""A man in the middle on loopback: UDP between a client and one time server.

For tests and measurements of what holds when the network is hostile. What he makes of replies is an
:data:`chronotick.lab.attacks.Attack`; besides, he can hold packets of either direction.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, Final

from chronotick.lab.attacks import Attack, Seen, nothing
from chronotick.ntp.packet import HEADER_BYTES

_ORIGIN: Final = slice(24, 32)
_TRANSMIT: Final = slice(40, 48)
_MOST_OPEN: Final = 1000
_REMEMBERED: Final = 16

Address = tuple[Any, ...]
"""As the socket module spells it."""


@dataclass
class Attacker:
    """What he does now, and what he did. Made and run by :func:`attacking`.

    Attributes:
        attack: what becomes of replies; may be changed at any time.
        forward_s: how long requests are held.
        backward_s: how long replies are held.
        requests: how many requests he saw.
        sent: how many datagrams he sent to clients.
        address: where clients find him, as ``HOST:PORT``.
    """

    attack: Attack = nothing
    forward_s: float = 0.0
    backward_s: float = 0.0
    requests: int = 0
    sent: int = 0
    address: str = ""
    _began_s: float = field(default_factory=time.monotonic)
    _open: OrderedDict[bytes, tuple[Address, bytes]] = field(default_factory=OrderedDict)
    _earlier: deque[bytes] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    _outer: asyncio.DatagramTransport | None = None
    _inner: asyncio.DatagramTransport | None = None
    _elsewhere: asyncio.DatagramTransport | None = None

    async def stand(self, server: tuple[str, int], host: str) -> None:
        """Take the place between clients and a server; :func:`attacking` does it.

        Raises:
            OSError: the host is no address of this machine.
        """
        open_at = asyncio.get_running_loop().create_datagram_endpoint
        self._outer, _ = await open_at(lambda: _Inlet(self.take_request), local_addr=(host, 0))
        self._inner, _ = await open_at(lambda: _Inlet(self.take_reply), remote_addr=server)
        self._elsewhere, _ = await open_at(asyncio.DatagramProtocol, local_addr=(host, 0))
        taken, port = self._outer.get_extra_info("sockname")[:2]
        self.address = f"[{taken}]:{port}" if ":" in taken else f"{taken}:{port}"

    def leave(self) -> None:
        """Give the ports back."""
        for each in (self._outer, self._inner, self._elsewhere):
            if each is not None:
                each.close()

    def take_request(self, data: bytes, client: Address) -> None:
        """Remember whose it is, and pass it on when it was held long enough."""
        self.requests += 1
        if len(data) < HEADER_BYTES:
            return
        self._open[data[_TRANSMIT]] = client, data
        while len(self._open) > _MOST_OPEN:
            self._open.popitem(last=False)
        _later(self.forward_s, self._inner, data, None)

    def take_reply(self, data: bytes, _server: Address) -> None:
        """Send the client what the attack makes of it."""
        client, request = self._open.pop(data[_ORIGIN], (None, b""))
        if client is None:
            return
        elapsed_s = time.monotonic() - self._began_s
        seen = Seen(request=request, reply=data, earlier=tuple(self._earlier), elapsed_s=elapsed_s)
        for each in self.attack(seen):
            way = self._elsewhere if each.elsewhere else self._outer
            _later(self.backward_s, way, each.data, client)
            self.sent += 1
        self._earlier.append(data)


def _later(
    wait_s: float, way: asyncio.DatagramTransport | None, data: bytes, to: Address | None
) -> None:
    if way is None or way.is_closing():
        return
    if wait_s:
        asyncio.get_running_loop().call_later(wait_s, _later, 0.0, way, data, to)
    else:
        way.sendto(data, to)


class _Inlet(asyncio.DatagramProtocol):
    """Hands on what arrives."""

    def __init__(self, take: Callable[[bytes, Address], None]) -> None:
        self._take = take

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self._take(data, addr)


@contextlib.asynccontextmanager
async def attacking(
    server: tuple[str, int], attack: Attack = nothing, *, host: str = "127.0.0.1"
) -> AsyncIterator[Attacker]:
    """Stand between clients and a server for the length of the block.

    Args:
        server: address of the genuine one.
        attack: what becomes of its replies, to begin with.
        host: where clients find the attacker, at a free port.

    Yields:
        The attacker.

    Raises:
        OSError: the host is no address of this machine.
    """
    attacker = Attacker(attack)
    try:
        await attacker.stand(server, host)
        yield attacker
    finally:
        attacker.leave()
