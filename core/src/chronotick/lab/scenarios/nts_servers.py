"""NTS on the virtual network: what servers give, and a connection to them without TCP and TLS."""

from __future__ import annotations

import asyncio
import errno
import os
import secrets
from collections.abc import Callable, Iterable
from typing import Final

from chronotick.lab.network import NS_PER_S, Path
from chronotick.lab.nts_responder import NtsResponder
from chronotick.lab.scenarios.events import CookieKeyLost, Event, NoKeys
from chronotick.ntp.packet import Packet

RETRANSMISSION_S: Final = 1.0
"""After which TCP sends again what was lost (RFC 6298)."""
_SECRET_BYTES = 32
_DIGEST = "sha256"


class NtsServer:
    """What one server does about NTS. All of them speak it, with who asks them by it.

    Args:
        number: of the server.
        events: of which those count that happen to it.

    Attributes:
        key_exchanges: how many it has done.
    """

    def __init__(self, number: int, events: Iterable[Event]) -> None:
        self.key_exchanges = 0
        kinds = CookieKeyLost, NoKeys
        mine = [each for each in events if isinstance(each, kinds) and number in each.servers]
        self._lost_s = [each.at_s for each in mine if isinstance(each, CookieKeyLost)]
        self._closed = [each for each in mine if isinstance(each, NoKeys)]
        self._responders: dict[int, NtsResponder] = {}

    def answer(self, request: bytes, reply: Packet, at_s: float) -> bytes:
        """The datagram that answers a request by NTS."""
        return self._responder(at_s).answer(request, reply)

    def agree(self, request: bytes, secret: bytes, at_s: float) -> bytes:
        """The answer to a message of the key exchange."""
        self.key_exchanges += 1
        return self._responder(at_s).agree(request, secret, _DIGEST)

    def is_closed(self, at_s: float) -> bool:
        """Whether nobody listens on the TCP port."""
        return any(each.at_s <= at_s < each.until_s for each in self._closed)

    def _responder(self, at_s: float) -> NtsResponder:
        losses = sum(lost_s <= at_s for lost_s in self._lost_s)
        if losses not in self._responders:
            self._responders[losses] = NtsResponder()
        return self._responders[losses]


class KeyStream:
    """Stands where a TLS connection to a server for keys is expected.

    Its round trips take as long as those of packets. Both ends know a secret; nothing is encrypted.

    Args:
        server: at the other end.
        path: the way there and back.
        elapsed_s: seconds of the local clock since the start, now.
    """

    def __init__(self, server: NtsServer, path: Path, elapsed_s: Callable[[], float]) -> None:
        self._server = server
        self._path = path
        self._elapsed_s = elapsed_s
        self._secret = secrets.token_bytes(_SECRET_BYTES)
        self._request = b""

    async def handshake(self) -> tuple[bytes, str]:
        """Return the exporter secret and its hash function, after TCP's handshake and that of TLS.

        Raises:
            ConnectionRefusedError: the port is closed.
        """
        await self._round_trip()
        if self._server.is_closed(self._elapsed_s()):
            raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
        await self._round_trip()
        return self._secret, _DIGEST

    async def send(self, data: bytes) -> None:
        """Send."""
        self._request += data

    async def receive(self) -> bytes:
        """Return the server's answer."""
        await self._round_trip()
        return self._server.agree(self._request, self._secret, self._elapsed_s())

    async def _round_trip(self) -> None:
        while (transit := self._path.transit(self._elapsed_s())) is None:  # noqa: ASYNC110 - lost
            await asyncio.sleep(RETRANSMISSION_S)
        await asyncio.sleep((transit.forward_ns + transit.backward_ns) / NS_PER_S)
