from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
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


async def test_a_removed_socket_is_made_anew_with_one_warning(server, path, caplog):
    path.unlink()
    assert await server.ensure_in_place()
    assert not await server.ensure_in_place()
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    assert (await asked(path, b'{"method": "status"}'))[0]["ok"]
    assert [record.getMessage() for record in caplog.records] == [
        "the control socket had been removed by someone; it was made anew"
    ]


async def test_it_is_looked_after_while_it_is_watched(server, path, monkeypatch):
    monkeypatch.setattr("chronotick.daemon.control.LOOK_PERIOD_S", 0.01)
    watching = asyncio.create_task(server.watch())
    for _ in range(2):
        path.unlink()
        while not path.exists():  # noqa: ASYNC110 - nobody tells when
            await asyncio.sleep(0.01)
    watching.cancel()


async def test_who_is_connected_stays_so_when_the_socket_is_made_anew(server, path):
    reader, writer = await asyncio.open_unix_connection(path)
    for _ in range(2):
        path.unlink()
        assert await server.ensure_in_place()
        writer.write(b'{"method": "status"}\n')
        assert json.loads(await reader.readline())["ok"]
    writer.close()
    await writer.wait_closed()


async def test_its_directory_is_made_anew_with_the_mode_it_had(tmp_path):
    (tmp_path / "above" / "run").mkdir(parents=True)
    (tmp_path / "above" / "run").chmod(0o750)
    s = ControlServer(tmp_path / "above" / "run" / "c.sock", {"ping": lambda: "pong"})
    await s.start()
    shutil.rmtree(tmp_path / "above")
    assert await s.ensure_in_place()
    modes = [stat.S_IMODE((tmp_path / each).stat().st_mode) for each in ("above", "above/run")]
    assert modes == [0o700, 0o750]
    assert (await asked(tmp_path / "above" / "run" / "c.sock", b'{"method": "ping"}'))[0]["ok"]
    await s.close()


async def test_what_stands_in_its_place_is_told_of_once_and_left_alone(server, path, caplog):
    path.unlink()
    path.write_text("precious")
    for _ in range(3):
        assert not await server.ensure_in_place()
    assert path.read_text() == "precious"
    (record,) = caplog.records
    assert "is in the way and is no socket" in record.getMessage()
    path.unlink()
    assert await server.ensure_in_place()
    path.unlink()
    path.write_text("precious")
    assert not await server.ensure_in_place()
    assert len(caplog.records) == 3  # it is news again
    await server.close()
    assert path.read_text() == "precious"


async def test_another_daemon_that_took_the_place_keeps_it_while_it_lives(server, path, caplog):
    path.unlink()
    other = ControlServer(path, {"ping": lambda: "other"})
    await other.start()
    for _ in range(2):
        assert not await server.ensure_in_place()
    assert await asked(path, b'{"method": "ping"}') == [{"ok": True, "result": "other"}]
    (record,) = caplog.records
    assert "another daemon answers" in record.getMessage()
    await other.close()
    assert await server.ensure_in_place()


async def test_a_socket_that_nobody_listens_on_is_replaced_while_it_runs(server, path):
    path.unlink()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(os.fspath(path))
    assert await server.ensure_in_place()
    assert (await asked(path, b'{"method": "status"}'))[0]["ok"]


async def test_a_place_that_is_not_safe_any_more_is_not_used(server, path, caplog):
    path.unlink()
    path.parent.chmod(0o777)
    assert not await server.ensure_in_place()
    assert f"chmod o-w {path.parent}" in caplog.text
    assert not path.exists()
    path.parent.chmod(0o700)
    assert await server.ensure_in_place()


async def test_a_place_that_cannot_be_made_is_told_of_once_and_tried_again(server, path, caplog):
    shutil.rmtree(path.parent)
    path.parent.write_text("")
    for _ in range(2):
        assert not await server.ensure_in_place()
    (record,) = caplog.records
    assert "is made anew when it can be: control socket" in record.getMessage()
    path.parent.unlink()
    assert await server.ensure_in_place()


async def test_a_socket_that_could_not_be_listened_on_is_not_taken_for_ours(
    server, path, monkeypatch
):
    async def fail(*_: object, **__: object) -> None:
        raise OSError(12, "Cannot allocate memory")

    path.unlink()
    with monkeypatch.context() as without_memory:
        without_memory.setattr(asyncio, "start_unix_server", fail)
        assert not await server.ensure_in_place()
    assert await server.ensure_in_place()
    assert (await asked(path, b'{"method": "status"}'))[0]["ok"]


async def test_without_a_thread_it_is_tried_again(server, path, monkeypatch, caplog):
    async def fail(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    path.unlink()
    with monkeypatch.context() as without_memory:
        without_memory.setattr(asyncio, "to_thread", fail)
        assert not await server.ensure_in_place()
    assert not caplog.records  # it may well be there: nobody has looked
    assert await server.ensure_in_place()


async def test_a_thousand_removals_take_no_descriptor(server, path):
    path.unlink()
    await server.ensure_in_place()
    before = _next_descriptors()
    for _ in range(1000):
        path.unlink()
        assert await server.ensure_in_place()
    assert _next_descriptors() == before
    assert (await asked(path, b'{"method": "status"}'))[0]["ok"]


def _next_descriptors() -> list[int]:
    """Descriptors that are free, the lowest ones: a leak takes some of them."""
    taken = [os.dup(0) for _ in range(3)]
    for each in taken:
        os.close(each)
    return taken


@AS_ANOTHER
async def test_a_stranger_is_refused_on_one_made_anew_too(open_to_all):
    server, path = open_to_all
    path.unlink()
    assert await server.ensure_in_place()
    path.chmod(0o666)
    assert "may not ask this daemon" in (await asked_as(path, 12345))["error"]
    assert server.refused == 1
