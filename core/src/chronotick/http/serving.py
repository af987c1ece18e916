"""Running the server: how the application is served, and to whom."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import uvicorn

from chronotick.access.listening import Listener
from chronotick.access.serving import MOST_CONNECTIONS, Server, configuration, within_files
from chronotick.access.tokens import require_token
from chronotick.http.application import Application
from chronotick.http.gate import Gate
from chronotick.http.protocols import StreamConnection
from chronotick.http.stream import MOST_CLIENTS

OTHER_CONNECTIONS = MOST_CONNECTIONS  # beside those of the stream
FILES_OF_OURS = 64
LONGEST_HEARD = 1024  # bytes of a client's message
PING_S = 20.0
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
    server_of(application, settings).run(list(listener.sockets))


def server_of(application: Application, settings: Settings) -> uvicorn.Server:
    """Return a server of an application that waits to be run."""
    config = configuration(
        application,
        within_files(settings.most_clients + OTHER_CONNECTIONS, FILES_OF_OURS),
        ws=StreamConnection,
        ws_max_size=LONGEST_HEARD,
        ws_ping_interval=PING_S,
        ws_ping_timeout=PING_S,
        ws_per_message_deflate=False,  # memory for each client, and time for each message
        lifespan="off",
        access_log=settings.access_log,
        timeout_graceful_shutdown=FAREWELL_S,
    )
    logging.getLogger("uvicorn").setLevel(logging.INFO if settings.access_log else logging.ERROR)
    logging.getLogger("uvicorn.error").addFilter(_named_after_us)
    return Server(config)


def _named_after_us(line: logging.LogRecord) -> bool:
    """Let a line pass under our name: uvicorn's for what is no request at all is of errors."""
    line.name = "chronotick.http"
    return True


def gate_of(listener: Listener, settings: Settings) -> Gate:
    """Decide who may ask at an address.

    Raises:
        TokenError: others can reach it, and no token protects it.
    """
    require_token(listener, settings.token, "--token-file (http.token_file)")
    names = listener.names if listener.local else None
    if settings.more_hosts:
        names = (listener.names or frozenset()) | settings.more_hosts
    return Gate(settings.token, names)
