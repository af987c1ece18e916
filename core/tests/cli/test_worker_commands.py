"""``chronotick worker``: keys for people, and what a server refuses to start with."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from chronotick.workers.keys import generate, read_keys


def worker(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "chronotick", "worker", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=50)


def test_key_prints_a_line_for_the_list_of_a_server(tmp_path: Path):
    made = worker("keygen", "--out", tmp_path)
    assert (made.returncode, made.stderr) == (0, "")
    assert "secret" in made.stdout
    shown = worker("key", "--keys", tmp_path)
    (tmp_path / "allowed").write_text(shown.stdout)
    assert len(read_keys(tmp_path / "allowed")) == 1
    secret = re.search(r"(\S{40}) secret", (tmp_path / "worker.key").read_text())[1]
    assert secret not in made.stdout + shown.stdout


def test_keys_are_never_overwritten(tmp_path: Path):
    before = generate(tmp_path)
    again = worker("keygen", "--out", tmp_path)
    assert again.returncode == 1
    assert "exists already" in again.stderr
    assert before.secret in (tmp_path / "worker.key").read_text()


def test_missing_key_says_what_to_run(tmp_path: Path):
    shown = worker("key", "--keys", tmp_path)
    assert shown.returncode == 1
    assert "chronotick worker keygen" in shown.stderr


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        (["--model", "echo", "--listen", "ipc:///x"], 2, "not of the form tcp://HOST:PORT"),
        (["--model", "kalmann"], 2, "kalman"),
        (["--model", "kalman"], 2, "serving it has no use"),
        (["--model", "echo", "--device", "gpu"], 2, "cuda"),
        (["--model", "echo", "--checkpoint", "echo"], 2, "expected MODEL=WEIGHTS"),
        (["--model", "echo"], 1, "there is no"),
        ([], 2, "Missing option '--model'"),
    ],
)
def test_a_server_that_cannot_serve_says_why(
    tmp_path: Path, options: list[str], status: int, words: str
):
    generate(tmp_path)
    done = worker("serve", "--keys", tmp_path, "--allow", tmp_path / "allowed", *options)
    assert (done.returncode, words in done.stderr) == (status, True), done.stderr
    assert "Traceback" not in done.stderr


def test_a_taken_port_is_told(tmp_path: Path):
    import socket

    generate(tmp_path)
    (tmp_path / "allowed").touch()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        options = ("--model", "echo", "--listen", address)
        done = worker("serve", "--keys", tmp_path, "--allow", tmp_path / "allowed", *options)
    assert done.returncode == 1
    assert f"cannot listen on {address}" in done.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--remote", "echo"], "expected MODEL=tcp://HOST:PORT"),
        (["--remote", "echo=host:1"], "always encrypted"),
        (["--remote", "nosuch=tcp://h:1"], "workers.remote.nosuch"),
        (["--remote", "kalman=tcp://h:1"], "is computed in the daemon"),
    ],
)
def test_run_says_what_is_wrong_with_a_remote(options: list[str], words: str):
    command = [sys.executable, "-m", "chronotick", "run", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=50)
    assert (done.returncode, words in done.stderr) == (2, True), done.stderr
