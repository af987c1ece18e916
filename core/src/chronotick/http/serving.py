"""Running the server: one process, one event loop, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import resource
import signal
from collections.abc import Iterator
from dataclasses import dataclass

import uvicorn

from chronotick.http.application import Application
from chronotick.http.gate import Gate
from chronotick.http.listening import Listener
from chronotick.http.protocols import HttpConnection, StreamConnection
from chronotick.http.stream import MOST_CLIENTS
from chronotick.http.tokens import TokenError

OTHER_CONNECTIONS = 256  # beside those of the stream
FILES_OF_OURS = 64
LONGEST_HEARD = 1024  # bytes of a client's message
PING_S = 20.0
KEEP_ALIVE_S = 15
FAREWELL_S = 2  # for answers under way when the server ends


@dataclass(frozen=True)
class Settings:
    """How it is served.

    Attributes:
        token: what requests must bear; ``None``: nothing.
        more_hosts: further values of the header ``Host``, without ports.
        most_clients: of the stream, at once.
        access_log: whether each request is logged.
    """

    token: bytes | None = None
    more_hosts: frozenset[str] = frozenset()
    most_clients: int = MOST_CLIENTS
    access_log: bool = False


def serve(listener: Listener, application: Application, settings: Settings) -> None:
    """Answer requests until SIGTERM or SIGINT.

    Args:
        listener: where they come in.
        application: what answers them, with the gate of :func:`gate_of`.
        settings: how.
    """
    _allow_files(settings.most_clients + OTHER_CONNECTIONS + FILES_OF_OURS)
    server_of(application, settings).run(list(listener.sockets))


def server_of(application: Application, settings: Settings) -> uvicorn.Server:
    """Return a server of an application that waits to be run."""
    config = uvicorn.Config(
        application,
        http=HttpConnection,
        ws=StreamConnection,
        ws_max_size=LONGEST_HEARD,
        ws_ping_interval=PING_S,
        ws_ping_timeout=PING_S,
        ws_per_message_deflate=False,  # memory for each client, and time for each message
        lifespan="off",
        log_config=None,
        access_log=settings.access_log,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=settings.most_clients + OTHER_CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=FAREWELL_S,
    )
    logging.getLogger("uvicorn").setLevel(logging.INFO if settings.access_log else logging.ERROR)
    return _Server(config)


def gate_of(listener: Listener, settings: Settings) -> Gate:
    """Decide who may ask at an address.

    Raises:
        TokenError: others can reach it, and no token protects it.
    """
    if not listener.local and settings.token is None:
        raise TokenError(
            f"{listener.url} can be reached from other machines: a token is needed. Give "
            "--token-file (http.token_file), or listen at 127.0.0.1"
        )
    names = listener.names if listener.local else None
    if settings.more_hosts:
        names = (listener.names or frozenset()) | settings.more_hosts
    return Gate(settings.token, names)


def _allow_files(count: int) -> None:
    """Raise the limit of open files, as far as this process may, where it is too low."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(count, hard), hard))


class _Server(uvicorn.Server):
    """Ends in good order at a signal, where uvicorn would let the signal end it afterwards."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        caught = (signal.SIGTERM, signal.SIGINT)
        for each in caught:
            loop.add_signal_handler(each, self.handle_exit, each, None)
        try:
            yield
        finally:
            for each in caught:
                loop.remove_signal_handler(each)
