"""What workers print: always read, so that they never wait on a full pipe, and kept a while."""

from __future__ import annotations

import logging
import os
from typing import Final

_KEPT_BYTES: Final = 64 * 1024
_READ_BYTES: Final = 64 * 1024
_LONGEST_LINE: Final = 1000


class OutputTail:
    """Reads one pipe: the end of it is kept, each line goes to the log at level DEBUG."""

    def __init__(self, descriptor: int, logger: logging.Logger) -> None:
        os.set_blocking(descriptor, False)
        self.descriptor = descriptor
        self._logger = logger
        self._kept = bytearray()
        self._line = bytearray()

    def read_some(self) -> bool:
        """Read what is there, at most 64 KiB; false at the end of the pipe."""
        try:
            data = os.read(self.descriptor, _READ_BYTES)
        except BlockingIOError:
            return True
        self._keep(data)
        return bool(data)

    def read_rest(self) -> None:
        """Read what a process that has ended left behind.

        Bounded: something it started may hold the pipe open and go on writing.
        """
        for _ in range(2 * _KEPT_BYTES // _READ_BYTES):
            before = len(self._kept)
            if not self.read_some() or len(self._kept) == before:
                break

    def text(self, lines: int = 20) -> str:
        """Return the last lines."""
        return "\n".join(self._kept.decode(errors="replace").splitlines()[-lines:])

    def _keep(self, data: bytes) -> None:
        self._kept += data
        del self._kept[:-_KEPT_BYTES]
        if not self._logger.isEnabledFor(logging.DEBUG):
            return
        self._line += data
        *lines, rest = self._line.split(b"\n")
        self._line = rest[-_LONGEST_LINE:]
        for line in lines:
            self._logger.debug("%s", line[:_LONGEST_LINE].decode(errors="replace"))
