"""What workers print: always read, so that they never wait on a full pipe, and kept a while."""

from __future__ import annotations

import logging
import os
from typing import Final

from chronotick.workers.child import NOTICE

_KEPT_BYTES: Final = 64 * 1024
_READ_BYTES: Final = 64 * 1024
_LONGEST_LINE: Final = 1000
_NOTICES: Final = 20  # that a process may put before people; it may write thousands


class OutputTail:
    """Reads one pipe: the end of it is kept, and each line goes to the log.

    At level DEBUG, but for what the model's own code logs as a warning: see
    :data:`chronotick.workers.child.NOTICE`. Of such lines only the first few are warnings here.
    """

    def __init__(self, descriptor: int, logger: logging.Logger) -> None:
        os.set_blocking(descriptor, False)
        self.descriptor = descriptor
        self._logger = logger
        self._kept = bytearray()
        self._line = bytearray()
        self._notices = 0

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
        if not self._logger.isEnabledFor(logging.WARNING):
            return
        self._line += data
        *lines, rest = self._line.split(b"\n")
        self._line = rest[-_LONGEST_LINE:]
        for line in lines:
            self._log(line[:_LONGEST_LINE].decode(errors="replace"))

    def _log(self, line: str) -> None:
        if line.startswith(NOTICE) and self._notices < _NOTICES:
            self._notices += 1
            self._logger.warning("%s", line.removeprefix(NOTICE))
        else:
            self._logger.debug("%s", line)
