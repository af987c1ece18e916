"""Tools for agents in the same process: the Claude agent SDK's in-process server.

The same tools as those of ``chronotick mcp``, without a process or a pipe between:

    from claude_agent_sdk import ClaudeAgentOptions
    from chronotick.mcp.sdk import ALLOWED_TOOLS, create_chronotick_server

    options = ClaudeAgentOptions(
        mcp_servers={"chronotick": create_chronotick_server()}, allowed_tools=ALLOWED_TOOLS
    )
"""

from __future__ import annotations

import os
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from claude_agent_sdk import McpSdkServerConfig, SdkMcpTool
    from mcp.server.mcpserver.tools import Tool

NAME: Final = "chronotick"
TOOLS: Final = ("get_time", "get_daemon_status", "get_time_with_future_uncertainty")
ALLOWED_TOOLS: Final = [f"mcp__{NAME}__{name}" for name in TOOLS]
"""What the agent has to be allowed, under the names it knows them by."""


def create_chronotick_server(
    record: str | os.PathLike[str] | None = None,
    control: str | os.PathLike[str] | None = None,
) -> McpSdkServerConfig:
    """Return a server for ``ClaudeAgentOptions(mcp_servers={"chronotick": ...})``.

    Args:
        record: the daemon's record; default as for clients.
        control: the daemon's control socket; default as for clients.

    Raises:
        ImportError: the agent SDK is not installed; the message says what to run.
    """
    try:
        from claude_agent_sdk import create_sdk_mcp_server

        from chronotick.mcp.tools import clock_tools
        from chronotick.views import Snapshot
    except ModuleNotFoundError as error:
        raise ImportError(
            "chronotick: this needs more packages. Run: pip install 'chronotick[agent]'"
        ) from error
    tools = [tool for tool in clock_tools(Snapshot(record, control)) if tool.name in TOOLS]
    return create_sdk_mcp_server(NAME, version("chronotick"), [_offered(tool) for tool in tools])


def _offered(tool: Tool) -> SdkMcpTool[Any]:
    from claude_agent_sdk import SdkMcpTool
    from mcp.server.mcpserver import Context

    async def call(arguments: dict[str, Any]) -> dict[str, Any]:
        # What it raises is told to the agent as an error by the SDK.
        result = await tool.run(arguments, Context(), convert_result=True)
        return {"content": [block.model_dump() for block in result.content]}

    return SdkMcpTool(tool.name, tool.description, tool.parameters, call, tool.annotations)
