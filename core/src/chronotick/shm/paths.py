"""Where the daemon and its readers meet unless told otherwise."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def default_record_path() -> Path:
    """``$CHRONOTICK_SHM``, or ``chronotick_shm`` in /dev/shm (macOS: the temporary directory)."""
    chosen = os.environ.get("CHRONOTICK_SHM")
    if chosen:
        return Path(chosen)
    base = Path("/dev/shm") if sys.platform == "linux" else _temporary_dir()  # noqa: S108 - a published record
    return base / "chronotick_shm"


def runtime_dir() -> Path:
    """Directory of this user's sockets: ``$XDG_RUNTIME_DIR/chronotick`` or one named by uid."""
    base = os.environ.get("XDG_RUNTIME_DIR")
    if base:
        return Path(base) / "chronotick"
    return _temporary_dir() / f"chronotick-{os.getuid()}"


def default_control_socket() -> Path:
    """``$CHRONOTICK_CONTROL``, or ``control.sock`` in the runtime directory."""
    chosen = os.environ.get("CHRONOTICK_CONTROL")
    return Path(chosen) if chosen else runtime_dir() / "control.sock"


def _temporary_dir() -> Path:
    import tempfile  # 4 ms that most readers never need

    return Path(tempfile.gettempdir())
