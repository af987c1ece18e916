"""Taking resources away from a running process, and giving them back (prlimit(2))."""

from __future__ import annotations

import contextlib
import os
import resource
from dataclasses import dataclass
from typing import Final

from chronotick.lab.faults.procfs import address_space

_PAGE: Final = resource.getpagesize()


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit that was put to a process.

    Attributes:
        pid: of the process.
        what: ``resource.RLIMIT_…``.
        before: the limits it had.
        detail: the new one, for the log.
    """

    pid: int
    what: int
    before: tuple[int, int]
    detail: str

    def give_back(self) -> None:
        """Put the old limits; nothing if the process has ended."""
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(self.pid, self.what, self.before)


def no_more_descriptors(pid: int) -> Limit:
    """Let a process open nothing.

    Raises:
        OSError: it has ended, or is another user's.
    """
    numbers = [int(name) for name in os.listdir(f"/proc/{pid}/fd")]  # noqa: PTH208 - names alone
    # A new descriptor gets the lowest free number: holes are filled below the highest in use.
    return _put(pid, resource.RLIMIT_NOFILE, min(set(range(len(numbers) + 1)) - set(numbers)))


def no_more_memory(pid: int) -> Limit:
    """Let a process map nothing.

    Raises:
        OSError: it has ended, or is another user's.
    """
    return _put(pid, resource.RLIMIT_AS, address_space(pid) + _PAGE)


def no_longer_files(pid: int) -> Limit:
    """Let a process write no file beyond its first page: a database cannot be written.

    Raises:
        OSError: it has ended, or is another user's.
    """
    return _put(pid, resource.RLIMIT_FSIZE, _PAGE)


def _put(pid: int, what: int, soft: int) -> Limit:
    before = resource.prlimit(pid, what)
    resource.prlimit(pid, what, (soft, before[1]))
    return Limit(pid, what, before, f"limit {soft}")
