from __future__ import annotations

import asyncio
import json
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chronotick.daemon.control import ControlServer, ControlSocketError, json_ready


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "control.sock"


@pytest.fixture
async def server(path: Path) -> AsyncIterator[ControlServer]:
    s = ControlServer(path, {"status": lambda: {"a": 1, "bad": float("nan")}})
    await s.start()
    yield s
    await s.close()


async def asked(path: Path, *lines: bytes) -> list[dict]:
    reader, writer = await asyncio.open_unix_connection(path)
    answers = []
    for line in lines:
        writer.write(line + b"\n")
        answers.append(json.loads(await reader.readline()))
    writer.close()
    await writer.wait_closed()
    return answers


async def test_it_answers_one_line_per_line(server, path):
    answers = await asked(path, b'{"method": "status"}', b'{"method": "status"}')
    assert answers == [{"ok": True, "result": {"a": 1, "bad": None}}] * 2


@pytest.mark.parametrize("line", [b"", b"nonsense", b"[]", b"{}", b"\xff\xfe", b'{"method": []}'])
async def test_bad_requests_get_an_answer_that_helps(server, path, line):
    answers = await asked(path, line, b'{"method": "status"}')
    assert not answers[0]["ok"]
    assert "method" in answers[0]["error"]
    assert answers[1]["ok"]


async def test_an_unknown_method_names_the_known_ones(server, path):
    (answer,) = await asked(path, b'{"method": "reboot"}')
    assert "status" in answer["error"]


async def test_an_endless_line_ends_the_connection_only(server, path):
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b"x" * 200_000)
    assert await reader.read() == b""
    writer.close()
    (answer,) = await asked(path, b'{"method": "status"}')
    assert answer["ok"]


async def test_permissions_are_the_users_and_the_groups(server, path):
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_closing_removes_the_socket(path):
    s = ControlServer(path, {})
    await s.start()
    await s.close()
    assert not path.exists()


async def test_a_socket_left_by_a_dead_daemon_is_replaced(path):
    path.parent.mkdir(mode=0o700)
    import socket

    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(os.fspath(path))
    s = ControlServer(path, {"ping": lambda: "pong"})
    await s.start()
    assert await asked(path, b'{"method": "ping"}') == [{"ok": True, "result": "pong"}]
    await s.close()


async def test_a_living_daemons_socket_is_not_taken(server, path):
    with pytest.raises(ControlSocketError, match="another daemon answers"):
        await ControlServer(path, {}).start()


async def test_another_kind_of_file_in_the_way_is_left_alone(path):
    path.parent.mkdir(mode=0o700)
    path.write_text("precious")
    with pytest.raises(ControlSocketError, match="no socket"):
        await ControlServer(path, {}).start()
    assert path.read_text() == "precious"


async def test_an_impossible_place_says_what_to_do(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ControlSocketError, match=r"Choose another with control\.socket"):
        await ControlServer(tmp_path / "file" / "c.sock", {}).start()


def test_json_has_no_nan():
    assert json_ready({"a": [float("inf"), (1.0, None)]}) == {"a": [None, [1.0, None]]}
