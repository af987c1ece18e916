"""The token's file: a secret must be one."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

MODE_OF_OTHERS = 0o077
LONGEST = 4096
_FORM = re.compile(rb"[A-Za-z0-9\-._~+/]{16,1024}=*")  # RFC 6750, section 2.1: b64token


class TokenError(Exception):
    """Raised when a token cannot be used; the message says why and what to do."""


def read_token(path: Path) -> bytes:
    """Read a token: one line.

    Raises:
        TokenError: the file cannot be read, is not ours alone, or holds no token.
    """
    try:
        with path.open("rb") as file:
            _check_private(os.fstat(file.fileno()), path)
            token = file.read(LONGEST).strip()
    except OSError as error:
        raise TokenError(f"{path}: the token cannot be read ({error.strerror})") from error
    if not _FORM.fullmatch(token):
        raise TokenError(
            f"{path}: no token. Write one line of at least 16 letters, digits or -._~+/ into it: "
            f"(umask 077; head -c 32 /dev/urandom | base64 > {path})"
        )
    return token


def _check_private(found: os.stat_result, path: Path) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise TokenError(f"{path}: no regular file")
    if found.st_uid not in {os.geteuid(), 0}:
        raise TokenError(f"{path}: belongs to user {found.st_uid}. Make it your own")
    if found.st_mode & MODE_OF_OTHERS:
        raise TokenError(f"{path}: others may read it. Run: chmod 600 {path}")
