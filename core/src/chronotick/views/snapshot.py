"""The daemon as it is now: its record, and its answers, each asked for at most once a while."""

from __future__ import annotations

import os
import threading
import time
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
        self._lock = threading.Lock()
        self._told: dict[str, tuple[float, Any]] = {}

    def time(self, ahead_ns: int = 0) -> TimeReading:
        """Read the time from shared memory: microseconds, never more; see :func:`read_time`.

        Raises:
            DaemonUnavailable, ClockUnsynchronised: as :func:`read_time`.
        """
        return read_time(self.clock, ahead_ns)

    def status(self) -> dict[str, Any]:
        """The daemon at a glance, as ``chronotick status --json`` prints it. Blocks; see below.

        Raises:
            DaemonUnavailable: no daemon answers within two seconds.
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
        with self._lock:  # those who ask meanwhile wait for this answer instead of asking too
            asked_s, told = self._told.get(method, (float("-inf"), None))
            if time.monotonic() - asked_s > self._max_age_s:
                told = self._answer(method)
                self._told[method] = time.monotonic(), told
        if isinstance(told, ChronoTickError):
            raise told
        return told

    def _answer(self, method: str) -> Any:  # noqa: ANN401 - any JSON type
        try:
            return ask(method, socket_path=self._control, timeout=ANSWER_TIMEOUT_S)
        except ChronoTickError as error:
            return error
