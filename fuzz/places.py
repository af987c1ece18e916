"""Files for what is only read from files, in memory where the system has such a place."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import tempfile
from pathlib import Path

_MEMORY = Path("/dev/shm")  # noqa: S108 - a directory of our own is made there


@functools.cache
def scratch() -> Path:
    """Return a directory that lasts as long as the process."""
    roomy = _MEMORY if os.access(_MEMORY, os.W_OK) else None
    directory = Path(tempfile.mkdtemp(prefix="chronotick-fuzz-", dir=roomy))
    owner = os.getpid()

    def remove() -> None:
        if os.getpid() == owner:
            shutil.rmtree(directory, ignore_errors=True)

    atexit.register(remove)
    return directory


def written(name: str, data: bytes, mode: int = 0o600) -> Path:
    """Return a file with this content."""
    path = scratch() / name
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
        file.write(data)
    return path
