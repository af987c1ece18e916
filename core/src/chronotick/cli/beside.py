"""Files that lie, where no other place is named, beside the daemon's control socket."""

from __future__ import annotations

import contextlib
from pathlib import Path


def beside(control: Path, name: str, directory_mode: int) -> Path:
    """Return the place of such a file; its directory is made where that alone is missing.

    Places that users name are not made: a typing error would become a directory.

    Args:
        control: the daemon's control socket, which need not be there.
        name: of the file.
        directory_mode: of the directory, if it is made.
    """
    with contextlib.suppress(OSError):  # whoever opens the file says what is in the way
        control.parent.mkdir(mode=directory_mode, exist_ok=True)
    return control.with_name(name)
