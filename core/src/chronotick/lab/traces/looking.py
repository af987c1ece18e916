"""What a path leads to. What cannot be looked at is nothing: whoever reads it next says why."""

from __future__ import annotations

import stat
from pathlib import Path


def is_file(path: Path) -> bool:
    """Whether it leads to a regular file."""
    return stat.S_ISREG(_mode(path))


def is_directory(path: Path) -> bool:
    """Whether it leads to a directory."""
    return stat.S_ISDIR(_mode(path))


def is_special(path: Path) -> bool:
    """Whether it leads to a pipe, a device or a socket, from which reading may never end."""
    mode = _mode(path)
    return bool(mode) and not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def _mode(path: Path) -> int:
    try:
        return path.stat().st_mode
    except (OSError, ValueError):  # ValueError: a zero byte in the name
        return 0
