"""Arguments that an agent gives to tools: any JSON."""

from __future__ import annotations

import asyncio
import functools
import json
import logging
from typing import Any

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError, UnexpectedToolError
from mcp.server.mcpserver.tools import Tool

from chronotick.mcp.tools import clock_tools
from chronotick.shm.testing import good_record
from chronotick.shm.writer import RecordWriter
from chronotick.views import Snapshot
from fuzz.oracle import require
from fuzz.places import scratch

_DAY_S = 86_400
_LONGEST_REFUSAL = 3000
_WAITS = "wait_until"


def TestOneInput(data: bytes) -> None:  # noqa: N802 - libFuzzer's name
    """Call the tool that the first byte chooses.

    Raises:
        Finding: it has a fault, or answers by what is no JSON.
    """
    tools = _tools()
    tool = tools[data[0] % len(tools) if data else 0]
    try:
        arguments = json.loads(data[1:])
    except (ValueError, RecursionError):
        return
    if isinstance(arguments, dict):
        if tool.name == _WAITS and not isinstance(arguments.get("longest_seconds"), str | list):
            arguments["longest_seconds"] = 0  # who waits does not fuzz
        _call(tool, arguments)


def _call(tool: Tool, arguments: dict[str, Any]) -> None:
    try:
        answer = _loop().run_until_complete(tool.run(arguments, Context()))
    except UnexpectedToolError as error:
        raise error.__cause__ or error from None
    except ToolError as error:
        require(len(str(error)) <= _LONGEST_REFUSAL, "a refusal is a sentence or two")
        return
    json.loads(answer.model_dump_json())


@functools.cache
def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


@functools.cache
def _tools() -> list[Tool]:
    logging.disable()
    writer = RecordWriter(scratch() / "clock")
    writer.write(good_record(valid_s=_DAY_S))
    return clock_tools(Snapshot(scratch() / "clock", scratch() / "nobody.sock"))


def seeds() -> dict[str, bytes]:
    """What the corpus begins with."""
    moment = b'{"earliest_ns": 1800000000000000000, "latest_ns": 1800000000000000009}'
    return {
        "time": b"\0{}",
        "ahead": b'\2{"future_seconds": 1.5}',
        "bounds": b'\3{"confidence": 0.95}',
        "compare": b'\4{"a": "now", "b": ' + moment + b"}",
        "bounded": b'\4{"a": {"time_ns": 1800000000000000000, "bound_ns": 5}, "b": "x"}',
        "wait": b'\5{"time": "2026-11-30T09:00:00.25+01:00", "tolerance_seconds": 5}',
        "plan": b'\6{"at": "1800000000000000000", "lead_seconds": 2, "tolerance_seconds": null}',
        "unknown": b'\7{"clock": 1}',
    }
