"""What /proc tells about a process (proc(5))."""

from __future__ import annotations

import os
from pathlib import Path

_RESIDENT_FIELD = 1  # of statm, in pages


def resident_bytes(pid: int) -> int | None:
    """Return the resident memory of a process, ``None`` once it is gone."""
    try:
        pages = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[_RESIDENT_FIELD]
    except (OSError, IndexError):
        return None
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def written_bytes(pid: int) -> int:
    """Return how many bytes a process has written so far, -1 once it is gone."""
    try:
        lines = Path(f"/proc/{pid}/io").read_text(encoding="ascii").splitlines()
    except OSError:
        return -1
    fields = dict(line.split(": ", 1) for line in lines)
    return int(fields["wchar"])


def peak_bytes(pid: int) -> int:
    """Return the largest resident memory a process ever had (VmHWM), 0 once it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    fields = dict(line.split(":", 1) for line in lines)
    return int(fields["VmHWM"].split()[0]) * 1024 if "VmHWM" in fields else 0
