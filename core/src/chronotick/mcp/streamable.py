"""Carrying the server over HTTP (the protocol's "streamable HTTP")."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Final

import uvicorn
from mcp.server.auth.settings import AuthSettings
from mcp.server.mcpserver import MCPServer
from pydantic import AnyHttpUrl
from starlette.requests import ClientDisconnect

from chronotick.access.listening import Listener
from chronotick.access.serving import MOST_CONNECTIONS, Server, configuration, within_files
from chronotick.mcp.guarding import StaticToken, protection
from chronotick.mcp.server import create_server
from chronotick.mcp.serving import log_plainly
from chronotick.views import Snapshot

PATH: Final = "mcp"
LARGEST_REQUEST: Final = 1 << 20  # bytes; the largest sensible one has some hundred
FILES_OF_OURS: Final = 32
_FAREWELL_S: Final = 1  # for answers under way when the server is told to end


def serve_http(snapshot: Snapshot, listener: Listener, token: bytes | None) -> None:
    """Serve HTTP clients until SIGTERM or Ctrl-C.

    Args:
        snapshot: the clock.
        listener: where connections come in.
        token: what requests must bear (``Authorization: Bearer``); ``None``: nothing, which is for
            this host only (:func:`chronotick.access.tokens.require_token`).
    """
    log_plainly()
    logging.getLogger("uvicorn.error").addFilter(_is_worth_a_line)
    config = _configuration(_server(snapshot, token, url_of(listener)), listener)
    Server(config).run(list(listener.sockets))


def url_of(listener: Listener) -> str:
    """Where agents ask."""
    return f"{listener.url}{PATH}"


def _server(snapshot: Snapshot, token: bytes | None, url: str) -> MCPServer[Any]:
    if token is None:
        return create_server(snapshot)
    # Nobody issues tokens here: the URL only fills a field that the SDK wants filled.
    auth = AuthSettings(issuer_url=AnyHttpUrl(url), resource_server_url=None)
    return create_server(snapshot, auth=auth, token_verifier=StaticToken(token))


def _configuration(server: MCPServer[Any], listener: Listener) -> uvicorn.Config:
    application = server.streamable_http_app(
        streamable_http_path=f"/{PATH}",
        transport_security=protection(listener),
        max_request_body_size=LARGEST_REQUEST,
    )
    return configuration(
        application,
        within_files(MOST_CONNECTIONS, FILES_OF_OURS),
        log_level="warning",
        access_log=False,
        ws="none",
        timeout_graceful_shutdown=_FAREWELL_S,
    )


def _is_worth_a_line(line: logging.LogRecord) -> bool:
    """Whether a line of the log is not just about a client that left, or a wait cut short."""
    cut_short = (asyncio.CancelledError, ClientDisconnect)
    return not (line.exc_info and isinstance(line.exc_info[1], cut_short))
