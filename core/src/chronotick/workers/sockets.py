"""Where the sockets of workers are that no daemon started: in a directory that is swept."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path


def sockets_directory() -> Path:
    """Return a directory with a short path: that of a Unix socket has little room.

    Every pool of workers makes a directory of its own in there, and removes those of processes that
    are gone. It is not that of the daemon: where research runs, ``$XDG_RUNTIME_DIR`` may not exist.

    Raises:
        OSError: it cannot be made, or belongs to somebody else.
    """
    directory = Path(tempfile.gettempdir()) / f"ct-{os.getuid()}"
    directory.mkdir(mode=0o700, exist_ok=True)
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise PermissionError(
            f"{directory} belongs to somebody else. Set TMPDIR to a directory of your own"
        )
    return directory
