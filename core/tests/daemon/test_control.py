from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import stat
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chronotick.daemon.control import CLIENTS, ControlServer, ControlSocketError, json_ready
from chronotick.daemon.peers import Peer, may_ask, peer_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "control.sock"


@pytest.fixture
async def server(path: Path) -> AsyncIterator[ControlServer]:
    s = ControlServer(path, {"status": lambda: {"a": 1, "bad": float("nan")}})
    await s.start()
    yield s
    await s.close()


@pytest.fixture
async def impatient(path: Path) -> AsyncIterator[ControlServer]:
    s = ControlServer(path, {"status": lambda: "x" * 1000}, patience_s=0.1)
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


async def test_a_request_nested_without_end_gets_an_answer(server, path):
    """It ended the connection with a traceback in the log."""
    answers = await asked(path, b"[" * 60_000, b'{"method": "status"}')
    assert "expected a line" in answers[0]["error"]
    assert answers[1]["ok"]


async def test_an_unknown_method_is_not_repeated_at_length(server, path):
    (answer,) = await asked(path, json.dumps({"method": "x" * 60_000}).encode())
    assert len(answer["error"]) < 200


async def test_more_clients_than_there_is_room_for_are_told_so_and_let_in_later(server, path):
    """They were told so, and kept their connections: descriptors could be used up."""
    crowd = [await asyncio.open_unix_connection(path) for _ in range(CLIENTS)]
    for reader, writer in crowd:
        writer.write(b'{"method": "status"}\n')
        assert json.loads(await reader.readline())["ok"]
    reader, writer = await asyncio.open_unix_connection(path)
    assert "more than 32 clients" in json.loads(await reader.readline())["error"]
    writer.write(b"\n")
    assert await reader.read() == b""
    for _, each in [*crowd, (reader, writer)]:
        each.close()
        await each.wait_closed()
    answers = [{"ok": False}]
    while not answers[0]["ok"]:  # until the server has noticed that they left
        answers = await asked(path, b'{"method": "status"}')


async def test_a_client_that_does_not_ask_is_cut_off(impatient, path):
    reader, writer = await asyncio.open_unix_connection(path)
    assert await reader.read() == b""
    writer.close()


async def test_a_client_that_does_not_read_is_cut_off(impatient, path):
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(os.fspath(path))
        with pytest.raises(ConnectionError):
            await asyncio.to_thread(client.sendall, b'{"method": "status"}\n' * 100_000)


def test_only_root_the_own_user_and_the_own_group_may_ask():
    def may(uid: int, *gids: int) -> bool:
        return may_ask(Peer(pid=1, uid=uid, gids=frozenset(gids)))

    stranger, group = os.geteuid() + 12345, os.getegid()
    assert may(0)
    assert may(os.geteuid())
    assert may(stranger, 7, group)
    assert not may(stranger, 7, group + 12345)
    assert not may(stranger)


def test_the_kernel_names_the_peer_with_all_its_groups():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        peer = peer_of(ours)
    assert peer is not None
    assert (peer.pid, peer.uid) == (os.getpid(), os.geteuid())
    assert peer.gids == {os.getegid(), *os.getgroups()}


AS_ANOTHER = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


async def asked_as(path: Path, uid: int, *groups: int) -> dict:
    """Ask over a connection that another user made: who it is then stays."""
    before = os.getgroups()
    with socket.socket(socket.AF_UNIX) as client:
        os.setgroups(groups)
        os.setegid(uid)
        os.seteuid(uid)
        try:
            client.connect(os.fspath(path))
        finally:
            os.seteuid(0)
            os.setegid(0)
            os.setgroups(before)
        reader, writer = await asyncio.open_unix_connection(sock=client)
        writer.write(b'{"method": "status"}\n')
        answer = json.loads(await reader.readline())
        writer.close()
    return answer


@pytest.fixture
async def open_to_all() -> AsyncIterator[tuple[ControlServer, Path]]:
    """A socket that its permissions protect from nobody."""
    with tempfile.TemporaryDirectory(prefix="ct-") as name:
        s = ControlServer(Path(name) / "c.sock", {"status": lambda: "secret"})
        await s.start()
        for each, mode in ((name, 0o755), (f"{name}/c.sock", 0o666)):
            os.chmod(each, mode)  # noqa: PTH101 - no file of a path object in a coroutine
        yield s, Path(name) / "c.sock"
        await s.close()


@AS_ANOTHER
async def test_a_stranger_is_refused_whatever_the_permissions(open_to_all, caplog):
    server, path = open_to_all
    answer = await asked_as(path, 12345)
    assert answer["error"] == (
        "user 12345 may not ask this daemon: root, its own user (0) and members of its group "
        "(0) may"
    )
    assert server.refused == 1
    assert "of user 12345" in caplog.text
    assert await asked(path, b'{"method": "status"}') == [{"ok": True, "result": "secret"}]


@AS_ANOTHER
async def test_a_member_of_the_group_may_ask_also_by_a_supplementary_one(open_to_all):
    server, path = open_to_all
    assert (await asked_as(path, 12345, 7, os.getegid()))["ok"]
    assert server.refused == 0


@AS_ANOTHER
async def test_a_link_or_directory_of_another_user_is_not_used(tmp_path):
    real, link = tmp_path / "real", tmp_path / "link"
    real.mkdir(mode=0o700)
    link.symlink_to(real)
    os.lchown(link, 12345, 12345)
    with pytest.raises(ControlSocketError, match="belongs to user 12345"):
        await ControlServer(link / "c.sock", {}).start()
    os.chown(real, 12345, 12345)
    with pytest.raises(ControlSocketError, match="belongs to user 12345"):
        await ControlServer(real / "c.sock", {}).start()
    assert list(real.iterdir()) == []


async def test_a_directory_where_everybody_may_replace_the_socket_is_refused(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run").chmod(0o777)
    with pytest.raises(ControlSocketError, match=r"Run: chmod o-w .*/run"):
        await ControlServer(tmp_path / "run" / "c.sock", {}).start()


async def test_all_directories_that_are_made_are_the_users_own(tmp_path):
    """Those above the last one were made by the umask alone."""
    before = os.umask(0)
    try:
        s = ControlServer(tmp_path / "a" / "b" / "c.sock", {})
        await s.start()
    finally:
        os.umask(before)
    modes = [stat.S_IMODE(each.stat().st_mode) for each in (tmp_path / "a", tmp_path / "a" / "b")]
    assert modes == [0o700, 0o700]
    await s.close()


async def test_one_that_accepts_nobody_is_taken_for_alive(path):
    """Its backlog full, the daemon's start waited for it without end."""
    path.parent.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as busy, contextlib.ExitStack() as crowd:
        busy.bind(os.fspath(path))
        busy.listen(0)
        answer = 0
        while not answer:
            client = crowd.enter_context(socket.socket(socket.AF_UNIX))
            client.settimeout(0)
            answer = client.connect_ex(os.fspath(path))
        with pytest.raises(ControlSocketError, match="another daemon answers"):
            await ControlServer(path, {}).start()
