"""``chronotick mcp`` as agents run it: the SDK's own client over real pipes and real HTTP."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import httpx2
import jsonschema
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult, TextContent

from chronotick.shm.layout import Status
from chronotick.shm.testing import good_record
from chronotick.shm.writer import RecordWriter

LINE = (sys.executable, "-m", "chronotick", "mcp")
TOKEN = "0123456789abcdef0123456789abcdef"  # noqa: S105 - of nobody
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}


def over_pipes(record: Path, control: Path, mode: str = "auto") -> Client:
    options = ["--shm", str(record), "--socket", str(control)]
    parameters = StdioServerParameters(command=LINE[0], args=[*LINE[1:], *options])
    return Client(parameters, mode=mode)


def said(result: CallToolResult) -> str:
    assert result.is_error
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Path]:
    """A record that serves time for a minute, without a daemon."""
    writer = RecordWriter(tmp_path / "record")
    writer.write(good_record())
    yield tmp_path / "record"
    writer.close()


async def test_an_agent_asks_a_real_daemon_until_it_ends(
    start_daemon: Callable[..., object], chronyd: str
):
    daemon = start_daemon("--server", chronyd)
    await asyncio.to_thread(daemon.wait_for, Status.SYNCHRONISED)
    async with over_pipes(daemon.record, daemon.directory / "control.sock") as client:
        schemas = {each.name: each.output_schema for each in (await client.list_tools()).tools}
        answers = {}
        for tool, arguments in {
            "get_time": {},
            "get_daemon_status": {},
            "get_time_with_future_uncertainty": {"future_seconds": 60},
            "get_time_bounds": {"confidence": 0.99},
            "explain_clock": {},
        }.items():
            result = await client.call_tool(tool, arguments)
            assert not result.is_error, said(result)
            jsonschema.validate(result.structured_content, schemas[tool])
            answers[tool] = result.structured_content
        assert answers["get_daemon_status"]["sources_believed"] == [chronyd]
        assert chronyd in answers["explain_clock"]["text"]
        assert answers["get_time"]["reliable"]
        status = await client.read_resource("chronotick://status")
        assert json.loads(status.contents[0].text)["pid"] == daemon.process.pid
        assert await asyncio.to_thread(daemon.stop) == 0
        assert "chronotick run" in said(await client.call_tool("get_time", {}))
        await asyncio.sleep(1.0)  # what the daemon said is told again for half a second
        gone = await client.call_tool("get_daemon_status", {})
        assert gone.structured_content["status"] == "unavailable"


async def test_a_wait_over_pipes_tells_progress_and_can_be_cancelled(record: Path):
    notes: list[float] = []

    async def note(progress: float, _total: float | None, _message: str | None) -> None:
        notes.append(progress)

    async with over_pipes(record, record, mode="legacy") as client:
        now = (await client.call_tool("get_time", {})).structured_content
        assert now is not None
        at = str(now["time_ns"] + 300_000_000)
        told = await client.call_tool("wait_until", {"time": at}, progress_callback=note)
        assert told.structured_content is not None
        assert told.structured_content["passed_least_ns"] > 0
        assert notes
        late = {"time": str(now["time_ns"] + 40_000_000_000)}
        with pytest.raises(TimeoutError), anyio.fail_after(0.2):
            await client.call_tool("wait_until", late)
        assert not (await client.call_tool("get_time", {})).is_error


def test_standard_output_is_the_protocol_alone_whatever_is_sent(record: Path):
    call = {"jsonrpc": "2.0", "id": 2, "method": "tools/call"}
    lines = [
        json.dumps(INITIALIZE),
        json.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"}),
        "garbage",
        "\x00\xff",
        json.dumps(call | {"params": {"name": "get_time_bounds", "arguments": {"confidence": 1}}}),
        json.dumps(
            call
            | {"id": 3}
            | {"params": {"name": "get_time_bounds", "arguments": {"confidence": float("nan")}}}
        ),
    ]
    server = subprocess.Popen(
        [*LINE, "--shm", str(record)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with server:
        assert server.stdin is not None
        assert server.stdout is not None
        assert server.stderr is not None
        server.stdin.write("\n".join(lines) + "\n")
        server.stdin.flush()
        answers = {}
        while len(answers) < 3:
            answer = json.loads(server.stdout.readline())
            answers[answer["id"]] = answer["result"]
        server.stdin.close()
        assert server.stdout.read() == ""
        assert "Traceback" not in server.stderr.read()
    assert server.returncode == 0
    assert answers[2]["structuredContent"]["kind"] == "hard"
    assert answers[3]["isError"]
    assert "finite number" in answers[3]["content"][0]["text"]


def test_an_agent_that_is_gone_ends_it_quietly(record: Path):
    server = subprocess.Popen(
        [*LINE, "--shm", str(record)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with server:
        assert server.stdin is not None
        assert server.stdout is not None
        assert server.stderr is not None
        server.stdout.close()
        server.stdin.write((json.dumps(INITIALIZE) + "\n") * 2)
        server.stdin.close()
        assert server.stderr.read() == ""
    assert server.returncode == 0


@contextmanager
def over_http(record: Path, *options: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run the server; end it with SIGTERM, at which it must end well."""
    line = [*LINE, "--http", "127.0.0.1:0", "--shm", str(record), *options]
    with subprocess.Popen(line, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        try:
            url = re.search(r"http://\S+", server.stderr.readline())
            assert url, server.stderr.read()
            yield url[0], server
            server.send_signal(signal.SIGTERM)
            assert "Traceback" not in server.stderr.read()
            assert server.wait() == 0
        finally:
            server.kill()


async def test_http_serves_old_and_new_clients_of_this_host_only(record: Path):
    with over_http(record) as (url, _server):
        for mode in ("legacy", "auto"):
            async with Client(url, mode=mode) as client:
                now = (await client.call_tool("get_time", {})).structured_content
                assert now is not None
                assert now["reliable"]
        json_type = {"content-type": "application/json"}
        async with httpx2.AsyncClient(headers=json_type) as web:
            for header, code in {
                ("host", "evil.example"): 421,
                ("origin", "http://e.example"): 403,
            }.items():
                assert (await web.post(url, headers=dict([header]), json={})).status_code == code
            assert (await web.post(url, content=b" " * (1 << 21))).status_code == 413
            assert (await web.get(url.replace("/mcp", "/nothing"))).status_code == 404


async def test_the_end_of_the_http_server_cuts_a_wait_short_without_noise(record: Path):
    begun = asyncio.Event()

    async def note(_progress: float, _total: float | None, _message: str | None) -> None:
        begun.set()

    async def wait(url: str) -> None:
        async with Client(url) as client:
            now = (await client.call_tool("get_time", {})).structured_content
            assert now is not None
            at = str(now["time_ns"] + 40_000_000_000)
            await client.call_tool("wait_until", {"time": at}, progress_callback=note)

    with over_http(record) as (url, _server):
        waiting = asyncio.create_task(wait(url))
        await begun.wait()
    (cut,) = await asyncio.gather(waiting, return_exceptions=True)
    assert isinstance(cut, Exception)


async def test_http_with_a_token_lets_in_its_bearer_only(record: Path, tmp_path: Path):
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    file.chmod(0o600)
    with over_http(record, "--token-file", str(file)) as (url, _server):
        async with httpx2.AsyncClient() as web:
            assert (await web.post(url, json=INITIALIZE)).status_code == 401
            wrong = {"authorization": f"Bearer {TOKEN}x"}
            assert (await web.post(url, json=INITIALIZE, headers=wrong)).status_code == 401
        async with (
            httpx2.AsyncClient(headers={"authorization": f"Bearer {TOKEN}"}) as web,
            Client(streamable_http_client(url, http_client=web)) as client,
        ):
            assert not (await client.call_tool("get_time", {})).is_error


def ended(*options: str) -> tuple[int, str]:
    environ = os.environ | {"CHRONOTICK_CONTROL": "/nonexistent/control.sock"}
    done = subprocess.run(
        [*LINE, *options],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=environ,
        check=False,
    )
    assert done.stdout == ""
    return done.returncode, done.stderr


def test_a_taken_port_is_said_in_a_sentence():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, text = ended("--http", f"127.0.0.1:{taken.getsockname()[1]}")
    assert code == 1
    assert "Address already in use" in text
    assert text.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--http", "0.0.0.0:0"], "--token-file"),
        (["--http", "here"], "HOST:PORT"),
        (["--http", "127.0.0.1:0", "--token-file", "/nonexistent"], "No such file"),
        (["--token-file", "/nonexistent"], "--http HOST:PORT"),
    ],
)
def test_bad_options_are_said_in_a_sentence(options: list[str], sentence: str):
    code, text = ended(*options)
    assert code == 2
    assert sentence in text
    assert "Traceback" not in text
