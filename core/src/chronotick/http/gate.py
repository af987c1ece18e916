"""Who may ask: names this server goes by, the token, and pages of other sites."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus

from chronotick.access.errors import HttpError

SUBPROTOCOL = "chronotick.v1"
BEARER_SUBPROTOCOL = "chronotick.bearer."
SCHEMES = ("http", "https")  # the latter before a proxy that speaks TLS


@dataclass(frozen=True)
class Gate:
    """Decides on requests.

    Attributes:
        token: what requests for data must bear; ``None``: nothing.
        hosts: names, in small letters and without ports, of which ``Host`` must be one;
            ``None``: any, as there is no page that could make use of it.
    """

    token: bytes | None = None
    hosts: frozenset[str] | None = None

    def check_host(self, host: str) -> None:
        """Let a request pass that was meant for this server.

        A page from elsewhere can have its own name point to this address (DNS rebinding); it
        cannot keep the browser from sending that name.

        Raises:
            HttpError: 403.
        """
        if self.hosts is not None and _name(host) not in self.hosts:
            raise HttpError(
                HTTPStatus.FORBIDDEN,
                "forbidden_host",
                "this server does not go by the name in the header Host",
                "Ask by the address it listens at, or add the name with --allow-host.",
            )

    def check_token(self, authorization: str) -> None:
        """Let a request pass that bears the token.

        Raises:
            HttpError: 401.
        """
        scheme, _, given = authorization.partition(" ")
        if scheme.lower() != "bearer":
            given = ""
        self._check(given.strip().encode("latin-1"))

    def check_stream(self, host: str, origin: str, offered: Iterable[str], auth: str) -> None:
        """Let the handshake of a WebSocket pass.

        Args:
            host: its header ``Host``.
            origin: its header ``Origin``; empty: no browser sent it.
            offered: subprotocols.
            auth: its header ``Authorization``.

        Raises:
            HttpError: 401 or 403.
        """
        if origin and origin.lower() not in {f"{scheme}://{host.lower()}" for scheme in SCHEMES}:
            raise HttpError(
                HTTPStatus.FORBIDDEN, "forbidden_origin", "pages of other sites may not read this"
            )
        hidden = [each for each in offered if each.startswith(BEARER_SUBPROTOCOL)]
        if hidden:
            self._check(_decoded(hidden[0].removeprefix(BEARER_SUBPROTOCOL)))
        else:
            self.check_token(auth)

    def _check(self, given: bytes) -> None:
        if self.token is None or hmac.compare_digest(given, self.token):
            return
        raise HttpError(
            HTTPStatus.UNAUTHORIZED,
            "unauthorised",
            "the token is wrong" if given else "a token is needed",
            "Send the header Authorization: Bearer TOKEN.",
            {"www-authenticate": 'Bearer realm="chronotick"'},
        )


def _name(host: str) -> str:
    """A header ``Host`` without its port, in small letters."""
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdigit() else host).lower()


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return b"?"
