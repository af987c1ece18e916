"""The token's file, and when there must be one."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from chronotick.access.listening import listening
from chronotick.access.tokens import TokenError, read_token, require_token

TOKEN = "0123456789abcdef"  # noqa: S105 - of tests only


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


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_token_of_another_user_is_refused(tmp_path: Path):
    path = token_file(tmp_path)
    os.chown(path, 12345, -1)
    with pytest.raises(TokenError, match="belongs to user 12345, who can change it"):
        read_token(path)


def test_a_token_that_is_not_there_is_a_sentence(tmp_path: Path):
    with pytest.raises(TokenError, match="cannot be read"):
        read_token(tmp_path / "none")
    with pytest.raises(TokenError):
        read_token(tmp_path)


def test_a_token_is_never_waited_for_nor_read_from_what_has_no_end(tmp_path: Path):
    """A pipe without a writer was waited for, and /dev/zero was read into memory without end."""
    os.mkfifo(tmp_path / "pipe", 0o600)
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(TokenError, match="no regular file"):
            read_token(path)


def test_the_command_in_the_message_makes_a_token(tmp_path: Path):
    """Under the usual umask a file made without it can be read by others, and is refused."""
    path = tmp_path / "token"
    path.write_text("")
    path.chmod(0o600)
    with pytest.raises(TokenError) as caught:
        read_token(path)
    path.unlink()
    command = str(caught.value).partition("into it: ")[2]
    subprocess.run(["/bin/sh", "-c", f"umask 022; {command}"], check=True)
    assert len(read_token(path)) == 44


def test_only_this_host_goes_without_a_token():
    with listening("127.0.0.1:0") as here, listening("0.0.0.0:0") as everywhere:
        require_token(here, None)
        require_token(everywhere, TOKEN.encode())
        with pytest.raises(TokenError, match=r"a token is needed. Give --token-file,"):
            require_token(everywhere, None)
