"""For tests: a man in the middle, between clients and a server that speaks NTS, on loopback.

It stands on another address of loopback under the same ports. What it passes on of the key exchange
it cannot read; time packets it changes, drops and repeats as it likes.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field

from chronotick.ntp.nts.testing import Ports

ADDRESS = "127.0.0.2"
"""Where it stands."""
_SERVER = "127.0.0.1"
_DATAGRAM_BYTES = 4096

Change = Callable[[bytes], Iterable[bytes]]


def unchanged(data: bytes) -> Iterable[bytes]:
    """Pass a datagram on."""
    return (data,)


@dataclass
class Interception:
    """What it does, and what it saw. May be changed at any time.

    Attributes:
        request: what becomes of a request.
        reply: what becomes of a reply.
        requests: all requests, as clients sent them.
        replies: all replies, as the server sent them.
        key_exchanges: connections for keys.
    """

    request: Change = unchanged
    reply: Change = unchanged
    requests: list[bytes] = field(default_factory=list)
    replies: list[bytes] = field(default_factory=list)
    key_exchanges: int = 0


@contextlib.asynccontextmanager
async def intercepted(ports: Ports) -> AsyncIterator[Interception]:
    """Stand between :data:`ADDRESS` and a server on 127.0.0.1, for the length of the block."""
    interception = Interception()
    async with contextlib.AsyncExitStack() as stack:
        await _relay_keys(stack, interception, ports.keys)
        await _relay_time(stack, interception, ports.time)
        yield interception


async def _relay_keys(
    stack: contextlib.AsyncExitStack, interception: Interception, port: int
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        interception.key_exchanges += 1
        with contextlib.suppress(OSError):
            there, back = await asyncio.open_connection(_SERVER, port)
            await asyncio.gather(_pass_on(reader, back), _pass_on(there, writer))

    server = await asyncio.start_server(serve, ADDRESS, port)
    stack.callback(server.close)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(_DATAGRAM_BYTES):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()


async def _relay_time(
    stack: contextlib.AsyncExitStack, interception: Interception, port: int
) -> None:
    loop = asyncio.get_running_loop()
    front = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    front.settimeout(0)
    front.bind((ADDRESS, port))

    def on_request() -> None:
        data, client = front.recvfrom(_DATAGRAM_BYTES)
        interception.requests.append(data)
        back = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        back.settimeout(0)
        back.connect((_SERVER, port))
        loop.add_reader(back, on_reply, back, client)
        stack.callback(loop.remove_reader, back)
        for changed in interception.request(data):
            back.send(changed)

    def on_reply(back: socket.socket, client: tuple[str, int]) -> None:
        with contextlib.suppress(OSError):
            data = back.recv(_DATAGRAM_BYTES)
            interception.replies.append(data)
            for changed in interception.reply(data):
                front.sendto(changed, client)

    loop.add_reader(front, on_request)
    stack.callback(loop.remove_reader, front)
