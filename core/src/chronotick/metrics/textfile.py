"""Files for node_exporter's textfile collector."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import Final

SUFFIX: Final = ".prom"
"""Of files that the collector reads; it leaves others alone, unfinished ones among them."""

_MODE: Final = 0o644  # node_exporter runs as another user


def replace_file(path: Path, content: bytes) -> None:
    """Put a file in place as a whole: whoever reads meanwhile gets the old one or the new one.

    Raises:
        OSError: it cannot be written; what was there before stays.
    """
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(descriptor, "wb") as unfinished:
            unfinished.write(content)
            os.fchmod(unfinished.fileno(), _MODE)
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
