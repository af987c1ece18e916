"""The daemon as it is now: its record, and its answers, each asked for at most once a while."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from chronotick.client.control import ask
from chronotick.client.errors import ChronoTickError
from chronotick.client.served import ServedClock
from chronotick.views.reading import TimeReading, read_time

MAX_AGE_S = 0.5
ANSWER_TIMEOUT_S = 2.0


class Snapshot:
    """What can be known of one daemon now. Safe to use from several threads.

    Args:
        record: the record; default as for clients.
        control: the daemon's control socket; default as for clients.
        max_age_s: an answer of the daemon, or its silence, is told again for so long: any number
            of viewers costs the daemon the same.
    """

    def __init__(
        self,
        record: str | os.PathLike[str] | None = None,
        control: str | os.PathLike[str] | None = None,
        *,
        max_age_s: float = MAX_AGE_S,
    ) -> None:
        self.clock = ServedClock(record)
        self._control = control
        self._max_age_s = max_age_s
        self._answers = {method: _Answer() for method in ("status", "sources", "models")}

    def time(self, ahead_ns: int = 0) -> TimeReading:
        """Read the time from shared memory: microseconds, never more; see :func:`read_time`.

        Raises:
            DaemonUnavailable, ClockUnsynchronised: as :func:`read_time`.
        """
        return read_time(self.clock, ahead_ns)

    def status(self) -> dict[str, Any]:
        """The daemon at a glance, as ``chronotick status --json`` prints it.

        Blocks while the daemon is asked: milliseconds, and two seconds if it hangs.

        Raises:
            DaemonUnavailable: no daemon answers.
            ControlError: it refuses, or the socket may be another user's.
        """
        answer: dict[str, Any] = self._ask("status")
        return answer

    def sources(self) -> list[dict[str, Any]]:
        """Every source, and why it is used or not; raises as :meth:`status` does."""
        answer: list[dict[str, Any]] = self._ask("sources")
        return answer

    def models(self) -> dict[str, dict[str, Any]]:
        """Every model by name, and why it has its weight; raises as :meth:`status` does."""
        answer: dict[str, dict[str, Any]] = self._ask("models")
        return answer

    def _ask(self, method: str) -> Any:  # noqa: ANN401 - any JSON type
        answer = self._answers[method]
        with answer.lock:  # those who ask meanwhile wait for this answer instead of asking too
            if time.monotonic() - answer.asked_s > self._max_age_s:
                answer.told, answer.problem = None, None
                try:
                    answer.told = ask(method, socket_path=self._control, timeout=ANSWER_TIMEOUT_S)
                except ChronoTickError as error:
                    answer.problem = error
                answer.asked_s = time.monotonic()
            told, problem = answer.told, answer.problem
        if problem is not None:
            raise problem.with_traceback(None)  # else it grows with every frame that it passes
        return told


@dataclass
class _Answer:
    """What the daemon said last to one question."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    asked_s: float = float("-inf")
    told: Any = None
    problem: ChronoTickError | None = None
