"""What the daemon's code warns of while it is replayed: counted, so that nothing goes unsaid."""

from __future__ import annotations

import logging
from collections import Counter
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Self  # in typing from Python 3.11

DISTINCT = 50  # warnings that are told apart


class WarningsHeard(logging.Handler):
    """Listens to ``chronotick``'s loggers; to be used in a ``with`` statement.

    Attributes:
        counts: how often each warning was given.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.counts: Counter[str] = Counter()
        self._logger = logging.getLogger("chronotick")

    def __enter__(self) -> Self:
        self._logger.addHandler(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._logger.removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Count a record."""
        words = record.getMessage()
        if record.exc_info is not None and record.exc_info[1] is not None:
            words += f" ({type(record.exc_info[1]).__name__}: {record.exc_info[1]})"
        known = words in self.counts or len(self.counts) < DISTINCT
        self.counts[words if known else "further warnings"] += 1
