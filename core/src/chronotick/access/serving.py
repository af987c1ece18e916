"""Running a server: one process, one event loop, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import resource
import signal
import socket
import time
from collections.abc import Iterator
from typing import Any

import uvicorn

from chronotick.access.connections import HttpConnection
from chronotick.access.listening import BACKLOG

MOST_CONNECTIONS = 256
KEEP_ALIVE_S = 15
TELL_EVERY_S = 60.0

_OUT_OF_FILES = {errno.EMFILE, errno.ENFILE}

_log = logging.getLogger("chronotick.access")


def configuration(
    application: Any,  # noqa: ANN401 - ASGI, of whichever library
    connections: int,
    **more: Any,  # noqa: ANN401 - as uvicorn has them
) -> uvicorn.Config:
    """Return how an application is served, within the limits of :mod:`chronotick.access`.

    Args:
        application: what answers.
        connections: most of them at once.
        more: further settings of uvicorn's.
    """
    return uvicorn.Config(
        application,
        http=HttpConnection,
        log_config=None,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=connections,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        **more,
    )


def within_files(connections: int, ours: int) -> int:
    """Return how many connections this process may have open files for, at least one.

    Raises its limit of open files, as far as it may, where that is too low.

    Args:
        connections: wanted.
        ours: files that this process needs besides.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return connections
    if soft < connections + ours:
        most = connections + ours
        soft = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(1, min(connections, soft - ours))


class Server(uvicorn.Server):
    """Ends in good order at a signal, and outlasts a shortage of open files.

    uvicorn would let the signal end it afterwards, and asyncio would tell of the shortage with a
    traceback for every connection that waits.
    """

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer requests until told to end."""
        asyncio.get_running_loop().set_exception_handler(Complaints())
        await super().serve(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Catch the signals that end it."""
        loop = asyncio.get_running_loop()
        caught = (signal.SIGTERM, signal.SIGINT)
        for each in caught:
            loop.add_signal_handler(each, self.handle_exit, each, None)
        try:
            yield
        finally:
            for each in caught:
                loop.remove_signal_handler(each)


class Complaints:
    """What the event loop has to complain of: a shortage of files is told now and then."""

    def __init__(self) -> None:
        self._told_s = -TELL_EVERY_S

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Tell of it."""
        error = context.get("exception")
        if not isinstance(error, OSError) or error.errno not in _OUT_OF_FILES:
            loop.default_exception_handler(context)
            return
        now_s = time.monotonic()
        if now_s - self._told_s >= TELL_EVERY_S:
            self._told_s = now_s
            _log.warning("connections have to wait: %s. Raise the limit: ulimit -n", error.strerror)
