"""Where the server listens, for whom, and what stands in the way."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from chronotick.http.listening import ListenError, listening
from chronotick.http.serving import Settings, gate_of
from chronotick.http.tokens import TokenError, read_token

TOKEN = "0123456789abcdef"  # noqa: S105 - of tests only


def test_a_unix_socket_is_for_user_and_group_in_a_directory_for_the_user(tmp_path: Path):
    path = tmp_path / "run" / "http.sock"
    with listening(f"unix:{path}") as listener:
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert gate_of(listener, Settings()).hosts is None
    assert not path.exists()


def test_a_second_server_is_told_of_the_first(tmp_path: Path):
    with listening(f"unix:{tmp_path}/http.sock"), listening("127.0.0.1:0") as tcp:
        with (
            pytest.raises(ListenError, match="another server answers"),
            listening(f"unix:{tmp_path}/http.sock"),
        ):
            pass
        port = tcp.sockets[0].getsockname()[1]
        with pytest.raises(ListenError, match="another server"), listening(f"127.0.0.1:{port}"):
            pass


def test_a_socket_left_by_a_dead_server_is_replaced(tmp_path: Path):
    path = tmp_path / "http.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with listening(f"unix:{path}"), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


def test_the_socket_of_a_successor_is_left_alone(tmp_path: Path):
    path = tmp_path / "http.sock"
    with listening(f"unix:{path}"):
        path.unlink()
        path.write_text("another's")
    assert path.read_text() == "another's"


@pytest.mark.parametrize(
    ("address", "match"),
    [
        ("192.0.2.1:8123", "cannot be listened at"),
        ("no-such-host.invalid:1", "cannot be listened at"),
        ("unix:/proc/none/http.sock", "cannot be listened at"),
        ("unix:/dev/null", "is in the way"),
        ("unix:/" + "a" * 200, "cannot be listened at"),
    ],
)
def test_addresses_that_cannot_be(address: str, match: str):
    with pytest.raises(ListenError, match=match), listening(address):
        pass


@pytest.mark.parametrize(
    "address", ["8123", "127.0.0.1", "127.0.0.1:99999", "http://127.0.0.1:1", "unix:", "", ":80"]
)
def test_what_is_no_address(address: str):
    with pytest.raises(ValueError, match=r"HOST:PORT.*unix:PATH"):
        listening(address)


def test_others_reach_it_only_with_a_token():
    with listening("0.0.0.0:0") as listener:
        with pytest.raises(TokenError, match="a token is needed"):
            gate_of(listener, Settings())
        assert gate_of(listener, Settings(token=b"x" * 16)).hosts is None


def test_names_can_be_added():
    with listening("127.0.0.1:0") as listener:
        gate = gate_of(listener, Settings(more_hosts=frozenset({"clock.example"})))
    assert gate.hosts == {"localhost", "127.0.0.1", "[::1]", "clock.example"}


def test_ipv6_loopback_is_local():
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    with listening("[::1]:0") as listener:
        assert listener.url.startswith("http://[::1]:")
        assert listener.local


def token_file(tmp_path: Path, content: str = TOKEN, mode: int = 0o600) -> Path:
    path = tmp_path / "token"
    path.write_text(content)
    path.chmod(mode)
    return path


def test_a_token_is_one_line(tmp_path: Path):
    assert read_token(token_file(tmp_path, f"{TOKEN}\n")) == TOKEN.encode()


@pytest.mark.parametrize(
    "content", ["", "short", "sixteen letters and more", f"{TOKEN}\n{TOKEN}\n", "ä" * 20]
)
def test_what_is_no_token(tmp_path: Path, content: str):
    with pytest.raises(TokenError, match="no token"):
        read_token(token_file(tmp_path, content))


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_token_that_others_may_read_is_refused(tmp_path: Path, mode: int):
    with pytest.raises(TokenError, match="chmod 600"):
        read_token(token_file(tmp_path, mode=mode))


def test_a_token_that_is_not_there_is_a_sentence(tmp_path: Path):
    with pytest.raises(TokenError, match="cannot be read"):
        read_token(tmp_path / "none")
    with pytest.raises(TokenError):
        read_token(tmp_path)


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("CHRONOTICK_")}
    return kept | {
        "CHRONOTICK_SHM": str(tmp_path / "record"),
        "CHRONOTICK_CONTROL": str(tmp_path / "control.sock"),
        "CHRONOTICK_HISTORY__PATH": str(tmp_path / "history.sqlite3"),
    }


@pytest.fixture
def command(environ: dict[str, str]) -> Callable[..., subprocess.Popen[str]]:
    """Start the command."""

    def start(*options: str) -> subprocess.Popen[str]:
        line = [sys.executable, "-m", "chronotick", "http", *options]
        pipe = subprocess.PIPE
        return subprocess.Popen(line, env=environ, stdout=pipe, stderr=pipe, text=True)

    return start


def test_the_command_listens_beside_the_control_socket_and_ends_in_good_order(tmp_path, command):
    with command() as server:
        assert server.stdout is not None
        assert server.stdout.readline() == f"listening at http+unix://{tmp_path}/http.sock\n"
        with command() as second:
            _, told = second.communicate(timeout=30)
        server.send_signal(signal.SIGTERM)
        _, errors = server.communicate(timeout=30)
    assert (server.returncode, errors) == (0, "")
    assert not (tmp_path / "http.sock").exists()
    assert second.returncode == 1
    assert told.startswith("chronotick: another server answers on ")
    assert told.count("\n") == 1


def test_without_a_token_the_command_does_not_listen_to_others(command):
    with command("--listen", "0.0.0.0:0") as server:
        out, told = server.communicate(timeout=30)
    assert (server.returncode, out) == (2, "")
    assert told.startswith("chronotick: http://0.0.0.0:")
    assert told.count("\n") == 1
