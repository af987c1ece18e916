"""Who may ask where the server listens, and the command that runs it."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from chronotick.access.listening import listening
from chronotick.access.tokens import TokenError
from chronotick.http.serving import Settings, gate_of


def test_others_reach_it_only_with_a_token():
    with listening("0.0.0.0:0") as listener:
        with pytest.raises(TokenError, match="a token is needed"):
            gate_of(listener, Settings())
        assert gate_of(listener, Settings(token=b"x" * 16)).hosts is None


def test_names_can_be_added():
    with listening("127.0.0.1:0") as listener:
        gate = gate_of(listener, Settings(more_hosts=frozenset({"clock.example"})))
    assert gate.hosts == {"localhost", "127.0.0.1", "[::1]", "clock.example"}


def test_whoever_can_open_a_unix_socket_may_call_it_by_any_name(tmp_path: Path):
    with listening(f"unix:{tmp_path}/http.sock") as listener:
        assert gate_of(listener, Settings()).hosts is None


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


def test_the_directory_of_the_usual_place_is_made_for_the_user_alone(tmp_path, environ, command):
    environ["CHRONOTICK_CONTROL"] = str(tmp_path / "run" / "control.sock")
    with command() as server:
        assert server.stdout is not None
        assert server.stdout.readline() == f"listening at http+unix://{tmp_path}/run/http.sock\n"
        assert stat.S_IMODE((tmp_path / "run").stat().st_mode) == 0o700
        server.send_signal(signal.SIGTERM)


@pytest.mark.parametrize("options", [[], ["--listen", "unix:{}/none/none/http.sock"]])
def test_no_more_than_that_directory_is_made(tmp_path, environ, command, options: list[str]):
    environ["CHRONOTICK_CONTROL"] = str(tmp_path / "none" / "none" / "control.sock")
    with command(*(each.format(tmp_path) for each in options)) as server:
        _, told = server.communicate(timeout=30)
    assert server.returncode == 1
    assert told.startswith(f"chronotick: the directory {tmp_path}/none/none does not exist.")
    assert not (tmp_path / "none").exists()


def test_without_a_token_the_command_does_not_listen_to_others(command):
    with command("--listen", "0.0.0.0:0") as server:
        out, told = server.communicate(timeout=30)
    assert (server.returncode, out) == (2, "")
    assert told.startswith("chronotick: http://0.0.0.0:")
    assert told.count("\n") == 1
