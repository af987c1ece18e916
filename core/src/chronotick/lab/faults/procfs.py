"""What the kernel tells of processes (proc_pid(5), Linux)."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_PARENT, _STARTED = 1, 19  # fields 4 and 22 of proc_pid_stat(5), counted behind the name
_MIB = 2**20


@dataclass(frozen=True, slots=True)
class Process:
    """A process, not merely a number that another one may get later.

    Attributes:
        pid: its number.
        started: when, in ticks since boot.
    """

    pid: int
    started: int

    @property
    def lives(self) -> bool:
        """Whether it is still there; one that ended and was not waited for is not."""
        fields = _stat(self.pid)
        return bool(fields) and int(fields[_STARTED]) == self.started and fields[0] not in "ZX"


@dataclass(frozen=True, slots=True)
class Used:
    """What a process uses.

    Attributes:
        resident_mib: memory (MiB).
        descriptors: open files.
        threads: how many.
    """

    resident_mib: float
    descriptors: int
    threads: int


def process_of(pid: int) -> Process | None:
    """The process of a number; ``None``: there is none."""
    fields = _stat(pid)
    return Process(pid, int(fields[_STARTED])) if fields else None


def descendants(pid: int) -> set[Process]:
    """Children of a process, theirs, and so on."""
    children: dict[int, list[Process]] = {}
    for entry in os.listdir("/proc"):  # noqa: PTH208 - thousands of times an hour
        fields = _stat(int(entry)) if entry.isdigit() else []
        if fields:
            found = Process(int(entry), int(fields[_STARTED]))
            children.setdefault(int(fields[_PARENT]), []).append(found)
    found_all: set[Process] = set()
    ahead = [pid]
    while ahead:
        for each in children.get(ahead.pop(), []):
            found_all.add(each)
            ahead.append(each.pid)
    return found_all


def used(pid: int) -> Used | None:
    """What a process uses; ``None``: it has ended."""
    try:
        fields = _status(pid)
        descriptors = len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208 - same
        return Used(fields["VmRSS"] / _MIB, descriptors, fields["Threads"])
    except (OSError, KeyError):
        return None


def address_space(pid: int) -> int:
    """Size of a process' address space (bytes).

    Raises:
        ProcessLookupError: it has ended.
    """
    try:
        return _status(pid)["VmSize"]
    except (OSError, KeyError) as error:
        raise ProcessLookupError(f"process {pid} has ended") from error


def survivors(processes: Iterable[Process]) -> list[Process]:
    """Those that are still there."""
    return [each for each in processes if each.lives]


def _stat(pid: int) -> list[str]:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()


def _status(pid: int) -> dict[str, int]:
    """The numbers of /proc/PID/status, sizes in bytes."""
    numbers = {}
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        words = value.split()
        if words and words[0].isdigit():
            numbers[name] = int(words[0]) * (1024 if words[-1] == "kB" else 1)
    return numbers
