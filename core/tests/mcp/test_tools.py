"""The tools as a client sees them, over the SDK's own in-memory connection."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import jsonschema
import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp.types import CallToolResult, TextContent

from chronotick.mcp.server import create_server
from chronotick.mcp.tools import clock_tools
from chronotick.shm.layout import Status
from chronotick.shm.testing import good_record
from chronotick.shm.writer import RecordWriter
from chronotick.views import Snapshot

TOOLS = [
    "get_time",
    "get_daemon_status",
    "get_time_with_future_uncertainty",
    "get_time_bounds",
    "compare_times",
    "wait_until",
    "schedule_action",
    "explain_clock",
]
UNITS = {
    "_ns": r"\bns\b|nanoseconds",
    "_seconds": r"\bs\b|seconds",
    "_s": r"\bs\b|ns/s",
    "_ms": r"\bms\b",
    "_ppm": r"\bppm\b",
}
BARE = {"confidence", "calibration", "coverage", "weight", "factor", "probability"}
COUNTS = {"measurements", "epoch", "pid"}


async def call(snapshot: Snapshot, tool: str, **arguments: Any) -> CallToolResult:  # noqa: ANN401
    async with Client(create_server(snapshot)) as client:
        return await client.call_tool(tool, arguments)


def said(result: CallToolResult) -> str:
    assert result.is_error
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text


def fields(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for part in [schema, *schema.get("$defs", {}).values()]:
        yield from part.get("properties", {}).items()


def is_number(described: dict[str, Any]) -> bool:
    kinds = [described, *described.get("anyOf", [])]
    return any(kind.get("type") in {"integer", "number"} for kind in kinds)


async def test_the_tools_are_those_of_the_documents(snapshot: Snapshot):
    async with Client(create_server(snapshot)) as client:
        tools = (await client.list_tools()).tools
        assert client.instructions is not None
        assert "compare_times" in client.instructions
    assert [tool.name for tool in tools] == TOOLS
    for tool in tools:
        assert tool.description
        assert tool.annotations is not None
        assert tool.annotations.read_only_hint
        assert tool.annotations.idempotent_hint
        assert tool.annotations.destructive_hint is False
        assert tool.annotations.open_world_hint is False


@pytest.mark.parametrize("name", TOOLS)
def test_every_field_is_described_and_every_number_has_its_unit(name: str, snapshot: Snapshot):
    (tool,) = [tool for tool in clock_tools(snapshot) if tool.name == name]
    output = tool.output_schema
    assert output is not None
    for schema in (tool.parameters, output):
        jsonschema.Draft202012Validator.check_schema(schema)
        for field, described in fields(schema):
            assert described["description"], field
            if not is_number(described) or field in COUNTS:
                continue
            unit = next((UNITS[end] for end in UNITS if field.endswith(end)), None)
            share = field.split("_")[0] in BARE or "factor" in field
            assert unit or share or "Unix time" in described["description"], field
            if unit:
                assert re.search(unit, described["description"]), (field, described)


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("get_time", {}),
        ("get_daemon_status", {}),
        ("get_time_with_future_uncertainty", {"future_seconds": 3600}),
        ("get_time_bounds", {"confidence": 1}),
        ("compare_times", {"a": "2020-01-01T00:00:00Z", "b": "now"}),
        ("wait_until", {"time": "now"}),
        ("schedule_action", {"at": "now"}),
    ],
)
async def test_answers_keep_to_their_schemas(
    tool: str, arguments: dict[str, Any], snapshot: Snapshot
):
    async with Client(create_server(snapshot)) as client:
        schemas = {each.name: each.output_schema for each in (await client.list_tools()).tools}
        result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    jsonschema.validate(result.structured_content, schemas[tool])


async def test_the_answer_of_a_tool_is_an_argument_of_others(snapshot: Snapshot):
    async with Client(create_server(snapshot)) as client:
        first = (await client.call_tool("get_time", {})).structured_content
        await client.call_tool("wait_until", {"time": first})
        second = (await client.call_tool("get_time", {})).structured_content
        told = await client.call_tool("compare_times", {"a": first, "b": second})
    assert told.structured_content is not None
    assert told.structured_content["order"] == "before"


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("get_time", {}),
        ("get_time_bounds", {"confidence": 0}),
        ("get_time_bounds", {"confidence": 0.5}),
    ],
)
async def test_answers_are_compared_by_their_hard_bound_alone(
    tool: str, arguments: dict[str, Any], snapshot: Snapshot, writer: RecordWriter
):
    """Two statistical intervals gave `before` where the hard ones overlapped."""
    writer.write(replace(good_record(), bound_ns=10**10))
    async with Client(create_server(snapshot)) as client:
        first, second = [
            (await client.call_tool(tool, arguments)).structured_content for _ in range(2)
        ]
        told = await client.call_tool("compare_times", {"a": first, "b": second})
    assert told.structured_content is not None
    assert told.structured_content["order"] == "unknown"


@pytest.mark.parametrize("tool", ["get_time", "get_time_bounds"])
async def test_nothing_is_certain_by_an_answer_that_nobody_vouches_for(
    tool: str, snapshot: Snapshot, writer: RecordWriter
):
    writer.write(replace(good_record(), status=Status.WARMING_UP))
    arguments = {"confidence": 1} if tool == "get_time_bounds" else {}
    answer = (await call(snapshot, tool, **arguments)).structured_content
    writer.write(good_record())
    others = {"compare_times": ("a", {"b": "now"}), "wait_until": ("time", {})}
    for other, (name, more) in {**others, "schedule_action": ("at", {})}.items():
        text = said(await call(snapshot, other, **{name: answer}, **more))
        assert f"{other}: {name}: reliable is False" in text


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("get_daemon_status", {}),
        ("get_time_with_future_uncertainty", {"future_seconds": 3600}),
        ("compare_times", {"a": "2020-01-01T00:00:00Z", "b": "now"}),
        ("wait_until", {"time": "2020-01-01T00:00:00Z"}),
        ("schedule_action", {"at": "now"}),
    ],
)
async def test_answers_that_are_no_moment_are_refused(
    tool: str, arguments: dict[str, Any], snapshot: Snapshot
):
    answer = (await call(snapshot, tool, **arguments)).structured_content
    text = said(await call(snapshot, "compare_times", a=answer, b="now"))
    assert "a: the object has neither earliest_ns and latest_ns nor" in text


@pytest.mark.parametrize("name", TOOLS)
def test_what_reads_as_a_moment_in_an_answer_is_hard_and_says_whether_it_is_reliable(
    name: str, snapshot: Snapshot
):
    (tool,) = [tool for tool in clock_tools(snapshot) if tool.name == name]
    output = tool.output_schema or {}
    for part in [output, *output.get("$defs", {}).values()]:
        members = part.get("properties", {})
        if "time_ns" in members:
            assert "reliable" in members
            assert "hard bound" in members["earliest_ns"]["description"]
            assert "hard bound" in members["latest_ns"]["description"]


@pytest.mark.parametrize(
    ("tool", "arguments", "sentence"),
    [
        (
            "get_time_with_future_uncertainty",
            {"future_seconds": -1},
            "future_seconds: it should be",
        ),
        ("get_time_with_future_uncertainty", {"future_seconds": 3601}, "0 to 3600"),
        ("get_time_with_future_uncertainty", {"future_seconds": "5"}, "valid number, and is '5'"),
        ("get_time_with_future_uncertainty", {"future_seconds": True}, "valid number"),
        ("get_time_with_future_uncertainty", {}, "future_seconds: it is required"),
        ("get_time_with_future_uncertainty", {"future": 1}, "did you mean future_seconds?"),
        ("get_time", {"zone": "UTC"}, "no argument 'zone'; it takes none"),
        ("get_time_bounds", {"confidence": 95}, "Probability, 0 to 1"),
        ("compare_times", {"a": "2026-11-30T12:00:00", "b": "now"}, "a: '2026-11-30T12:00:00' has"),
        ("compare_times", {"a": "now", "b": "x" * 9000}, "ISO 8601 with an offset"),
        ("wait_until", {"time": "now", "longest_seconds": 301}, "longest_seconds"),
        ("wait_until", {"time": "now", "certain": "yes"}, "certain: it should be a valid boolean"),
        ("schedule_action", {"at": "2020-01-01T00:00:00Z"}, "at: 2020-01-01T00:00:00.000000000"),
        ("schedule_action", {"at": [10**18] * 9000}, "at: [1000000000000000000, 1"),
        ("get_time", {f"x{n}": n for n in range(9000)}, "'x2' (and 8997 more); it takes none"),
    ],
)
async def test_bad_arguments_get_a_sentence(
    tool: str, arguments: dict[str, Any], sentence: str, snapshot: Snapshot
):
    text = said(await call(snapshot, tool, **arguments))
    assert sentence in text
    assert text.startswith(f"{tool}: ")
    assert "\n" not in text
    assert "pydantic" not in text
    assert len(text) < 600


async def test_without_a_daemon_every_tool_says_what_to_run(no_clock: Snapshot):
    calls: dict[str, dict[str, Any]] = {
        "get_time": {},
        "get_time_with_future_uncertainty": {"future_seconds": 1},
        "get_time_bounds": {"confidence": 1},
        "compare_times": {"a": "now", "b": "now"},
        "wait_until": {"time": "2020-01-01T00:00:00Z"},
        "schedule_action": {"at": "2040-01-01T00:00:00Z"},
        "explain_clock": {},
    }
    async with Client(create_server(no_clock)) as client:
        for tool, arguments in calls.items():
            assert "chronotick run" in said(await client.call_tool(tool, arguments))
        status = await client.call_tool("get_daemon_status", {})
        assert status.structured_content is not None
        assert status.structured_content["status"] == "unavailable"
        assert "chronotick run" in status.structured_content["reason"]


async def test_moments_that_are_known_are_compared_without_a_daemon(no_clock: Snapshot):
    told = await call(no_clock, "compare_times", a="2026-01-01T00:00Z", b="2026-01-01T00:00-01:00")
    assert told.structured_content is not None
    assert told.structured_content["order"] == "before"


async def test_a_resource_without_a_daemon_says_what_to_run(no_clock: Snapshot):
    async with Client(create_server(no_clock)) as client:
        listed = [str(each.uri) for each in (await client.list_resources()).resources]
        assert listed == ["chronotick://status", "chronotick://sources", "chronotick://models"]
        for uri in listed:
            with pytest.raises(MCPError, match="chronotick run"):
                await client.read_resource(uri)
