"""Run a program under a systemd unit's ban on system calls and executable memory, without systemd.

    python sandbox.py UNIT PROGRAM ARGUMENT...

``SystemCallFilter=``, ``SystemCallErrorNumber=EPERM`` and ``MemoryDenyWriteExecute=`` are read from
the unit and put in force as systemd does: by libseccomp, with the sets of ``systemd-analyze
syscall-filter``, and by the kernel's own ban (prctl, Linux 6.3).
"""

from __future__ import annotations

import ctypes
import errno
import os
import subprocess
import sys
from pathlib import Path

_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000  # seccomp.h: SCMP_ACT_…
_NO_NEW_PRIVILEGES, _SET_MDWE, _REFUSE_EXEC_GAIN = 38, 65, 1  # linux/prctl.h


def sets() -> dict[str, set[str]]:
    """Each set of system calls that systemd knows, by name: what stands in it."""
    shown = subprocess.run(
        ["systemd-analyze", "syscall-filter"],  # noqa: S607 - wherever it is
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, set[str]] = {}
    name = ""
    for line in shown.stdout.splitlines():
        word = line.strip()
        if line.startswith("@"):
            name = word
        elif line.startswith(" ") and not word.startswith("#"):
            found.setdefault(name, set()).add(word)
    return found


def allowed(filters: list[str]) -> set[str]:
    """System calls that ``SystemCallFilter=`` leaves, of which the first line permits some."""
    known, left = sets(), set[str]()

    def expand(word: str) -> set[str]:
        if not word.startswith("@"):
            return {word}
        return set[str]().union(*(expand(each) for each in known[word]))

    for line in filters:
        for word in line.removeprefix("~").split():
            left = left - expand(word) if line.startswith("~") else left | expand(word)
    return left | expand("@default")


def enforce(names: set[str]) -> None:
    """Let this process and its children make these system calls; others fail with EPERM."""
    seccomp = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    seccomp.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(seccomp.seccomp_init(ctypes.c_uint32(_ERRNO | errno.EPERM)))
    for name in sorted(names):
        number = seccomp.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:  # of this architecture
            seccomp.seccomp_rule_add(context, ctypes.c_uint32(_ALLOW), number, 0)
    if (failed := seccomp.seccomp_load(context)) != 0:
        raise OSError(-failed, os.strerror(-failed))


def main() -> None:
    unit, *command = sys.argv[1:]
    lines = [line.partition("=")[::2] for line in Path(unit).read_text().splitlines()]
    names = allowed([value for key, value in lines if key == "SystemCallFilter"])
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    banned = ("MemoryDenyWriteExecute", "yes") in lines
    if banned and libc.prctl(_SET_MDWE, _REFUSE_EXEC_GAIN, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "the kernel cannot ban executable memory")
    enforce(names)
    os.execv(command[0], command)  # noqa: S606 - that is the point


if __name__ == "__main__":
    main()
