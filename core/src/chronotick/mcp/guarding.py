"""What stands before the HTTP transport, as the SDK wants it: a token, and checks of headers."""

from __future__ import annotations

import hmac

from mcp.server.auth.provider import AccessToken
from mcp.server.transport_security import TransportSecuritySettings

from chronotick.access.listening import Listener


class StaticToken:
    """Lets in who bears the one token there is (the SDK's ``TokenVerifier``).

    Args:
        token: the token.
    """

    def __init__(self, token: bytes) -> None:
        self._token = token

    async def verify_token(self, token: str) -> AccessToken | None:
        """Return the bearer's rights, or ``None`` for another token."""
        if not hmac.compare_digest(token.encode(), self._token):
            return None
        return AccessToken(token=token, client_id="bearer", scopes=[])


def protection(listener: Listener) -> TransportSecuritySettings:
    """Return which Host and Origin headers are accepted.

    On loopback those of loopback, lest a web page in this host's browser asks by a name of its own
    (DNS rebinding). Elsewhere the names are not known, and no web page knows the token.
    """
    if not listener.local or listener.names is None:
        return TransportSecuritySettings(enable_dns_rebinding_protection=False)
    return TransportSecuritySettings(
        allowed_hosts=[f"{name}:*" for name in sorted(listener.names)],
        allowed_origins=[f"http://{name}:*" for name in sorted(listener.names)],
    )
