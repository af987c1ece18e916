"""The server of one clock: its tools, its resources, and what it says of itself."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any, Final

from mcp.server.auth.provider import TokenVerifier
from mcp.server.auth.settings import AuthSettings
from mcp.server.mcpserver import MCPServer

from chronotick.mcp.resources import clock_resources
from chronotick.mcp.tools import clock_tools
from chronotick.views import Snapshot

NAME: Final = "chronotick"

INSTRUCTIONS: Final = """\
Corrected time of this host with honest error bounds, from a ChronoTick daemon that measures time
servers. Nothing here changes anything.

Every reading has two uncertainties that must not be mixed: the hard bound (true time is certainly
between earliest_ns and latest_ns under its stated assumptions) and sigma_ns (statistical, one
standard deviation). Rely on neither unless `reliable` is true.

Never compare time_ns of two readings to tell which was first: use compare_times, and take
"unknown" for an answer. To do something not before an agreed time use schedule_action, then
wait_until. Times are integers in Unix nanoseconds; pass them as text where your numbers are
floating point. If a tool fails, get_daemon_status says why and what to run.
"""


def create_server(
    snapshot: Snapshot,
    *,
    auth: AuthSettings | None = None,
    token_verifier: TokenVerifier | None = None,
) -> MCPServer[Any]:
    """Return a server, which no transport carries yet.

    Args:
        snapshot: the clock.
        auth: with ``token_verifier``: whom the HTTP transport lets in.
        token_verifier: as the SDK wants it.
    """
    return MCPServer(
        NAME,
        title="ChronoTick",
        description="Corrected time with honest error bounds",
        instructions=INSTRUCTIONS,
        version=version("chronotick"),
        tools=clock_tools(snapshot),
        resources=clock_resources(snapshot),
        log_level="WARNING",
        subscriptions=False,
        auth=auth,
        token_verifier=token_verifier,
    )
