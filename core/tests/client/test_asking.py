"""The client's side of the control socket."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

import chronotick
from chronotick.client.control import ask, refuse_foreign
from chronotick.client.errors import ControlError, DaemonUnavailable
from chronotick.shm.testing import good_record
from chronotick.shm.writer import RecordWriter


def test_an_answer_is_returned(answering: Callable[..., Path]):
    asked: list[dict[str, object]] = []

    def answer(request: dict[str, object]) -> bytes:
        asked.append(request)
        return b'{"ok": true, "result": {"status": "synchronised"}}\n'

    answering(answer)
    assert chronotick.status() == {"status": "synchronised"}
    assert asked == [{"method": "status"}]


def test_parameters_are_passed_on(answering: Callable[..., Path]):
    path = answering(lambda request: b'{"ok": true, "result": %d}\n' % len(str(request["params"])))
    assert ask("models", {"name": "x"}, socket_path=path) == len("{'name': 'x'}")


def test_a_long_answer_comes_whole(answering: Callable[..., Path]):
    answering(lambda _: b'{"ok": true, "result": "' + b"x" * 1_000_000 + b'"}\n')
    assert len(ask("status")) == 1_000_000


def test_a_refusal_is_an_error(answering: Callable[..., Path]):
    answering(lambda _: b'{"ok": false, "error": "unknown method: stats; there is status"}\n')
    with pytest.raises(ControlError, match="unknown method: stats") as caught:
        ask("stats")
    assert caught.value.method == "stats"


@pytest.mark.parametrize(
    "garbage",
    [b"", b"HTTP/1.1 400\n", b"[]\n", b'{"ok": false}\n', b"\xff\n", b"[" * 10_000 + b"\n"],
)
def test_who_does_not_talk_the_protocol_is_no_daemon(
    answering: Callable[..., Path], garbage: bytes
):
    answering(lambda _: garbage)
    with pytest.raises(ControlError, match="no ChronoTick daemon"):
        ask("status")


def test_only_the_beginning_of_a_strange_answer_is_quoted(answering: Callable[..., Path]):
    answering(lambda _: b"x" * 500 + b"\n")
    with pytest.raises(ControlError) as caught:
        ask("status")
    assert str(caught.value).endswith(f"answered {b'x' * 100!r}")


def test_without_a_socket_the_daemon_is_unavailable(tmp_path: Path):
    with pytest.raises(
        DaemonUnavailable, match=r"no daemon answers .*run: chronotick run"
    ) as caught:
        chronotick.status()
    assert caught.value.path == tmp_path / "no.sock"


def test_a_daemon_that_lives_without_its_socket_is_not_to_be_started_again(
    writer: RecordWriter, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A second one was advised, and ended: the first one holds the record."""
    monkeypatch.setenv("CHRONOTICK_SHM", str(path))
    writer.write(good_record())
    with pytest.raises(DaemonUnavailable) as caught:
        chronotick.status()
    lives = f"the daemon (process {os.getpid()}) lives, but its control socket {tmp_path}/no.sock"
    assert str(caught.value).startswith(f"{lives} is gone, or lies elsewhere: ")
    assert "chronotick run" not in str(caught.value)
    assert (caught.value.path, caught.value.pid) == (tmp_path / "no.sock", os.getpid())
    (tmp_path / "no.sock").write_text("something else")
    with pytest.raises(DaemonUnavailable, match="is gone, or lies elsewhere"):
        chronotick.status()
    writer.close()
    with pytest.raises(DaemonUnavailable, match=r"no daemon answers .*run: chronotick run"):
        chronotick.status()


def test_a_socket_left_behind_by_a_dead_daemon_is_no_daemon(tmp_path: Path):
    path = tmp_path / "dead.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
    with pytest.raises(DaemonUnavailable, match="refused"):
        ask("status", socket_path=path)


def test_a_daemon_that_hangs_is_not_waited_for(tmp_path: Path):
    path = tmp_path / "hanging.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        with pytest.raises(DaemonUnavailable, match=r"within 0\.1 s"):
            ask("status", socket_path=path, timeout=0.1)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give directories away")
def test_a_strangers_directory_in_a_shared_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    shared = tmp_path / "tmp"
    shared.mkdir()
    shared.chmod(0o1777)
    planted = shared / "chronotick-0"
    planted.mkdir()
    refuse_foreign(planted, "status")
    with monkeypatch.context() as as_user:
        as_user.setattr(os, "geteuid", lambda: 12345)
        refuse_foreign(planted, "status")
    os.chown(planted, 12345, -1)
    with pytest.raises(ControlError, match=r"belongs to user 12345.*CHRONOTICK_CONTROL"):
        ask("status", socket_path=planted / "control.sock")
    shared.chmod(0o755)
    refuse_foreign(planted, "status")
