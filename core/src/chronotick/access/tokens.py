"""The token's file: a secret must be one."""

from __future__ import annotations

import re
from pathlib import Path

from chronotick.access.listening import Listener
from chronotick.config.private_file import PrivateFileError, Readers, read_private

LONGEST = 4096
_FORM = re.compile(rb"[A-Za-z0-9\-._~+/]{16,1024}=*")  # RFC 6750, section 2.1: b64token


class TokenError(Exception):
    """Raised when a token cannot be used, or is needed; the message says why and what to do."""


def read_token(path: Path) -> bytes:
    """Read a token: one line.

    Raises:
        TokenError: the file cannot be read, is not ours alone, or holds no token.
    """
    try:
        token = read_private(path, Readers.OWNER, LONGEST).strip()
    except PrivateFileError as error:
        raise TokenError(str(error)) from error
    except OSError as error:
        raise TokenError(f"{path}: the token cannot be read ({error.strerror})") from error
    if not _FORM.fullmatch(token):
        raise TokenError(
            f"{path}: no token. Write one line of at least 16 letters, digits or -._~+/ into it: "
            f"(umask 077; head -c 32 /dev/urandom | base64 > {path})"
        )
    return token


def require_token(listener: Listener, token: bytes | None, option: str = "--token-file") -> None:
    """Refuse to serve others than programs of this host without a token.

    Args:
        listener: where requests will come in.
        token: what they must bear; ``None``: nothing.
        option: how the token's file is named, for the message.

    Raises:
        TokenError: others can reach it, and no token protects it.
    """
    if not listener.local and token is None:
        raise TokenError(
            f"{listener.url} can be reached from other machines: a token is needed. Give "
            f"{option}, or listen at 127.0.0.1"
        )
