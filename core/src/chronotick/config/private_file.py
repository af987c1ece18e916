"""Files that hold secrets or say whom to trust: whose they may be, and who else may use them.

Whoever can change such a file chooses the secret, so it must be root's or our own, whatever its
mode; and nobody else may ever write to it.
"""

from __future__ import annotations

import enum
import errno
import os
import stat
from pathlib import Path
from typing import Final

_READ: Final = 0o044


class PrivateFileError(Exception):
    """Raised when a file must not be used as it is; the message names it, why and what to do."""


class Readers(enum.Enum):
    """Who may read: each with the mode's bits that must not be set, and what mends them."""

    OWNER = (0o066, "600")
    GROUP = (0o026, "640")
    EVERYBODY = (0o022, "go-w")


def read_private(path: Path, readers: Readers, longest: int) -> bytes:
    """Read a file, after a look at who else has to do with it.

    Args:
        path: where it is.
        readers: who may read it.
        longest: bytes that it may have.

    Raises:
        PrivateFileError: it is no regular file, too long, another user's, or open to others.
        OSError: it cannot be read.
    """
    try:
        file = open(path, "rb", opener=_at_once)  # noqa: SIM115 - closed below
    except ValueError as error:  # a NUL, or what no file's name can be encoded as
        raise OSError(errno.EINVAL, "no file has such a name", path) from error
    with file:
        found = os.fstat(file.fileno())
        _check_kind_and_owner(found, path)
        check_mode(found.st_mode, path, readers)
        content = file.read(longest + 1)
    if len(content) > longest:
        raise PrivateFileError(f"{path}: longer than {longest} bytes. Is it the right file?")
    return content


def check_mode(mode: int, path: Path, readers: Readers) -> None:
    """Check that others may do no more with a file or directory than they should.

    Raises:
        PrivateFileError: they may.
    """
    forbidden, advice = readers.value
    if mode & forbidden & _READ:
        raise PrivateFileError(f"{path}: others may read it. Run: chmod {advice} {path}")
    if mode & forbidden:
        raise PrivateFileError(f"{path}: others may change it. Run: chmod {advice} {path}")


def _check_kind_and_owner(found: os.stat_result, path: Path) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise PrivateFileError(f"{path}: no regular file")
    if found.st_uid not in {os.geteuid(), 0}:
        raise PrivateFileError(
            f"{path}: belongs to user {found.st_uid}, who can change it. It must be root's or "
            "your own"
        )


def _at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # a pipe would wait for its other end
