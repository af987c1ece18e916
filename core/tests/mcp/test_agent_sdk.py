"""The in-process server of the Claude agent SDK, through its own in-memory connection."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from mcp import Client
from mcp.types import CallToolResult, TextContent

from chronotick.mcp.sdk import ALLOWED_TOOLS, TOOLS, create_chronotick_server
from chronotick.mcp.tools import clock_tools
from chronotick.shm.writer import RecordWriter
from chronotick.views import Snapshot


def text(result: CallToolResult) -> str:
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text


async def test_it_has_the_three_tools_as_the_server_has_them(snapshot: Snapshot):
    server = create_chronotick_server()
    async with Client(server["instance"]) as client:
        offered = (await client.list_tools()).tools
    assert tuple(tool.name for tool in offered) == TOOLS
    others = {tool.name: tool for tool in clock_tools(snapshot)}
    for tool in offered:
        assert tool.description == others[tool.name].description
        assert tool.input_schema == others[tool.name].parameters
        assert tool.annotations is not None
        assert tool.annotations.read_only_hint


def test_their_names_for_the_agent_are_told():
    assert ALLOWED_TOOLS[0] == "mcp__chronotick__get_time"
    assert create_chronotick_server()["name"] == "chronotick"


async def test_it_answers_as_the_server_does(tmp_path: Path, writer: RecordWriter):
    server = create_chronotick_server(tmp_path / "record", tmp_path / "no.sock")
    async with Client(server["instance"]) as client:
        now = json.loads(text(await client.call_tool("get_time", {})))
        ahead = {"future_seconds": 60}
        later = json.loads(text(await client.call_tool("get_time_with_future_uncertainty", ahead)))
        status = json.loads(text(await client.call_tool("get_daemon_status", {})))
    assert now["status"] == status["status"] == "synchronised"
    assert later["then"]["bound_ns"] > now["bound_ns"]


async def test_without_a_daemon_it_says_what_to_run():
    async with Client(create_chronotick_server()["instance"]) as client:
        failed = await client.call_tool("get_time", {})
        assert failed.is_error
        assert "chronotick run" in text(failed)
        status = json.loads(text(await client.call_tool("get_daemon_status", {})))
    assert status["status"] == "unavailable"


async def test_bad_arguments_are_errors():
    async with Client(create_chronotick_server()["instance"]) as client:
        ahead = {"future_seconds": 4000}
        failed = await client.call_tool("get_time_with_future_uncertainty", ahead)
    assert failed.is_error
    assert "3600" in text(failed)


def test_a_missing_sdk_is_said_in_a_sentence(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "claude_agent_sdk", None)
    with pytest.raises(ImportError, match=r"Run: pip install 'chronotick\[agent\]'"):
        create_chronotick_server()
