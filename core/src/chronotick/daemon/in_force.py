"""The configuration that a daemon runs with, as it tells it: every value, and the file's state.

The file alone does not say it: the command line and the environment add to it, and it may have been
written since. There are no secrets in it: keys and tokens stand in files of their own, which a
configuration names.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chronotick.config.schema import Config


def told(config: Config) -> dict[str, Any]:
    """A configuration as JSON types, its paths absolute: who asks may be in another directory."""
    plain: dict[str, Any] = _plain(config.model_dump())
    return plain


def fingerprint(path: Path) -> list[int] | None:
    """What changes when a file is written or replaced; ``None``: it cannot be seen.

    Returns:
        Its inode, size in bytes and time of modification in ns since 1970.
    """
    try:
        found = path.stat()
    except OSError:
        return None
    return [found.st_ino, found.st_size, found.st_mtime_ns]


def _plain(value: object) -> Any:  # noqa: ANN401 - any JSON type
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return str(value.absolute()) if isinstance(value, Path) else value
