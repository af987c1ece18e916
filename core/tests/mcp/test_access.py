from __future__ import annotations

from pathlib import Path

import pytest

from chronotick.mcp.access import AccessError, is_loopback, read_token, token_for
from chronotick.mcp.guarding import StaticToken, protection

TOKEN = "0123456789abcdef"  # noqa: S105 - of nobody


def written(path: Path, text: str | bytes, mode: int = 0o600) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.chmod(mode)
    return path


def test_a_token_is_a_line(tmp_path: Path):
    assert read_token(written(tmp_path / "token", f"{TOKEN}\n")) == TOKEN


@pytest.mark.parametrize("text", ["", "short", f"{TOKEN} {TOKEN}", "ü" * 20, b"\xff" * 20])
def test_what_is_no_token_is_refused(tmp_path: Path, text: str | bytes):
    with pytest.raises(AccessError, match="token"):
        read_token(written(tmp_path / "token", text))


def test_a_token_that_others_may_read_is_none(tmp_path: Path):
    with pytest.raises(AccessError, match="chmod 600"):
        read_token(written(tmp_path / "token", TOKEN, 0o640))


def test_a_missing_file_is_said(tmp_path: Path):
    with pytest.raises(AccessError, match="No such file"):
        read_token(tmp_path / "token")


async def test_only_the_token_lets_in():
    verifier = StaticToken(TOKEN)
    assert await verifier.verify_token(TOKEN)
    for other in ("", TOKEN[:-1], f"{TOKEN}x", "ü"):
        assert await verifier.verify_token(other) is None


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),  # noqa: S104 - that is the point
        ("192.0.2.1", False),
        ("example.org", False),
    ],
)
def test_names_are_checked_on_loopback(host: str, loopback: bool):
    assert is_loopback(host) is loopback
    assert protection(host).enable_dns_rebinding_protection is loopback


def test_only_loopback_goes_without_a_token(tmp_path: Path):
    assert token_for("127.0.0.1", None) is None
    with pytest.raises(AccessError, match="--token-file"):
        token_for("192.0.2.1", None)
    assert token_for("192.0.2.1", written(tmp_path / "token", TOKEN)) == TOKEN
