"""Which boot of the host this is: RAW times of different boots cannot be compared."""

from __future__ import annotations

import subprocess
import sys
import uuid
from functools import cache
from pathlib import Path

_LINUX = Path("/proc/sys/kernel/random/boot_id")
_MACOS = ("/usr/sbin/sysctl", "-n", "kern.bootsessionuuid")


@cache
def boot_id() -> str:
    """Identifier of the running boot, a UUID in lower case.

    Where the system does not tell (no ``/proc``), it is random and new for each process: then
    nothing remembered counts as being of this boot, which is safe.
    """
    told = _from_sysctl() if sys.platform == "darwin" else _from_proc()
    return told or str(uuid.uuid4())


def _from_proc() -> str:
    try:
        return _LINUX.read_text(encoding="ascii").strip().lower()
    except (OSError, UnicodeDecodeError):
        return ""


def _from_sysctl() -> str:
    try:
        done = subprocess.run(_MACOS, capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip().lower()
