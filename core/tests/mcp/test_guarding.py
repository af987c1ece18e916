from __future__ import annotations

import pytest

from chronotick.access.listening import listening
from chronotick.mcp.guarding import StaticToken, protection

TOKEN = "0123456789abcdef"  # noqa: S105 - of nobody


async def test_only_the_token_lets_in():
    verifier = StaticToken(TOKEN.encode())
    assert await verifier.verify_token(TOKEN)
    for other in ("", TOKEN[:-1], f"{TOKEN}x", "ü"):
        assert await verifier.verify_token(other) is None


@pytest.mark.parametrize(("host", "checked"), [("127.0.0.1", True), ("0.0.0.0", False)])  # noqa: S104 - that is the point
def test_names_are_checked_on_loopback(host: str, checked: bool):
    with listening(f"{host}:0") as listener:
        rules = protection(listener)
    assert rules.enable_dns_rebinding_protection is checked
    assert rules.allowed_hosts == (["127.0.0.1:*", "[::1]:*", "localhost:*"] if checked else [])
