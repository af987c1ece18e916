"""Paths as people write them in a configuration: with ``~`` and ``$VARIABLES``."""

from __future__ import annotations

import os
import re
from pathlib import Path

_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)\})")


def data_dir() -> Path:
    """Directory of this user's lasting data: ``$XDG_DATA_HOME/chronotick``.

    Raises:
        RuntimeError: there is neither ``XDG_DATA_HOME`` nor a home directory.
    """
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "chronotick"


def expand(value: object) -> object:
    """Expand ``~`` and ``$VARIABLES`` in a path, as systemd's ``$STATE_DIRECTORY`` asks for.

    Anything but text or a path is returned as it is, for the schema to judge.

    Raises:
        ValueError: the path is empty, has a NUL in it, or names a variable that is not set.
            Without this, a file literally called ``$NAME`` would appear in the working directory.
    """
    if not isinstance(value, (str, Path)):
        return value
    text = _VARIABLE.sub(_environment_value, str(value))
    if not text.strip():
        raise ValueError("the path is empty")
    if "\0" in text:
        raise ValueError("the path has a NUL in it, which no file's name has")
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise ValueError(f"the home directory in {text!r} is not known ({error})") from error


def _environment_value(match: re.Match[str]) -> str:
    name = match[1] or match[2]
    value = os.environ.get(name)
    if not value:
        raise ValueError(f"the path names the environment variable {name}, which is not set")
    return value
