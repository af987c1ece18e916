"""Looking names up without ever making the end of the program wait."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from typing import Any

Found = tuple[int, int, int, str, tuple[Any, ...]]
"""As of ``socket.getaddrinfo``: family, type, protocol, canonical name, socket address."""


async def look_up(host: str, port: int, kind: socket.SocketKind) -> list[Found]:
    """Ask the system's resolver, in the order of preference of RFC 6724.

    Raises:
        OSError, UnicodeError: as ``socket.getaddrinfo``.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[list[Found]] = loop.create_future()

    def deliver(found: list[Found], error: Exception | None) -> None:
        if answer.done():  # nobody waits any more
            return
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(found)

    def work() -> None:
        found: list[Found] = []
        failure: Exception | None = None
        try:
            found = [*socket.getaddrinfo(host, port, type=kind)]
        except (OSError, UnicodeError) as error:
            failure = error
        with contextlib.suppress(RuntimeError):  # the loop was closed in the meantime
            loop.call_soon_threadsafe(deliver, found, failure)

    # Not the loop's executor: asyncio.run() waits for it at the end, and a resolver without a
    # network can take half a minute. A daemon thread is simply left behind.
    threading.Thread(target=work, name=f"resolve-{host}", daemon=True).start()
    return await answer
