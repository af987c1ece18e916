"""What the daemon writes down, and what it takes up again after a restart."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterable
from typing import Any

from chronotick.config.schema import History as HistoryConfig
from chronotick.daemon.status import Transition, words
from chronotick.daemon.timekeeper import Timekeeper
from chronotick.fusion import Score
from chronotick.history import History, HistoryUnavailableError, boot_id, open_history
from chronotick.history import Score as StoredScore
from chronotick.ntp.measurement import Measurement

SAVE_PERIOD_NS = 10_000_000_000
CONTEXT_NS = 12 * 3600 * 1_000_000_000  # measurements taken up again: the longest default context

_log = logging.getLogger("chronotick.history")


class Memory:
    """The daemon's use of its history.

    Args:
        history: open; it is closed by :meth:`close`.
        timekeeper: what is saved and resumed.
        max_resume_age_s: oldest measurement a restart goes on from.
        messages: what opening had to say.
    """

    def __init__(
        self,
        history: History,
        timekeeper: Timekeeper,
        max_resume_age_s: float,
        messages: Iterable[str],
    ) -> None:
        self.messages = list(messages)
        self._history = history
        self._timekeeper = timekeeper
        self._max_resume_age_ns = max_resume_age_s * 1e9
        self._saved_raw_ns = 0
        for message in self.messages:
            _log.warning(message)

    @classmethod
    def open(cls, config: HistoryConfig, timekeeper: Timekeeper) -> Memory:
        """Open the configured history; one that cannot be used never stops the clock."""
        opened = open_history(config.path, config.retention_days)
        return cls(opened.history, timekeeper, config.max_resume_age_seconds, opened.messages)

    def resume(self, raw_ns: int, suspended_ns: int) -> bool:
        """Take up scores always, and the clock where it was if this is the same boot.

        Returns:
            Whether the clock goes on without a warm-up.
        """
        try:
            self._timekeeper.skill.restore(self._history.load_scores())
        except ValueError as error:
            self._note(f"{error}; models have to prove themselves anew")
        except HistoryUnavailableError as error:
            self._note(f"nothing is resumed: {error}")
            return False
        return self._resume_clock(raw_ns, suspended_ns)

    def _resume_clock(self, raw_ns: int, suspended_ns: int) -> bool:
        saved = self._history.load_state(boot_id())
        if saved is None:
            return False
        if saved.snapshot.get("suspended_ns") != suspended_ns:
            _log.info("not resumed: the host slept since the state was saved")
            return False
        try:
            newest_raw_ns = int(saved.snapshot["newest_raw_ns"])
            age_ns = raw_ns - newest_raw_ns
            if not 0 <= age_ns <= self._max_resume_age_ns:
                _log.info("not resumed: the last measurement is %.0f s old", age_ns * 1e-9)
                return False
            self._timekeeper.restore(saved.snapshot["timekeeper"])
        except (KeyError, TypeError, ValueError) as error:
            self._note(f"the clock's saved state is not used: {error}")
            return False
        earlier = self._history.measurements_since(raw_ns - CONTEXT_NS)
        self._timekeeper.remember(stored.measurement for stored in earlier if stored.selected)
        _log.info("resumed: the last measurement is %.1f s old", age_ns * 1e-9)
        return True

    def measured(self, measurement: Measurement, *, selected: bool) -> int:
        """Write a measurement down and return its number."""
        return self._history.add_measurement(measurement, selected=selected)

    def scored(self, measurement_id: int, scores: Iterable[Score]) -> None:
        """Write down forecasts together with how they turned out."""
        for score in scores:
            path, raw_ns = score.path, score.measurement.raw_ns
            claimed = path.claimed_sigma_at(raw_ns)
            number = self._history.add_forecast(
                unix_ns=path.issued_raw_ns + path.trend.offset_ns,
                model=path.model,
                predictor=path.predictor,
                issued_raw_ns=path.issued_raw_ns,
                horizon_ns=raw_ns - path.issued_raw_ns,
                predicted_offset_ns=path.offset_at(raw_ns),
                sigma_s=None if math.isnan(claimed) else claimed,
            )
            judged = StoredScore(
                error_s=score.error_s, measurement_id=measurement_id, raw_ns=raw_ns
            )
            self._history.score_forecast(number, judged)

    def changed(self, transition: Transition) -> None:
        """Write a change of state down."""
        state = self._timekeeper.state(transition.raw_ns)
        offset_ns = state.offset_ns if state else time.time_ns() - transition.raw_ns
        self._history.add_transition(
            raw_ns=transition.raw_ns,
            unix_ns=transition.raw_ns + offset_ns,
            before=words(transition.before),
            after=words(transition.after),
            reason=transition.reason,
        )

    def save_if_due(self, raw_ns: int, suspended_ns: int) -> None:
        """Save the state every few seconds."""
        if raw_ns - self._saved_raw_ns >= SAVE_PERIOD_NS:
            self.save(raw_ns, suspended_ns)

    def save(self, raw_ns: int, suspended_ns: int) -> None:
        """Save what a restart goes on with."""
        if self._timekeeper.newest_raw_ns is None:
            return
        self._saved_raw_ns = raw_ns
        snapshot = {
            "newest_raw_ns": self._timekeeper.newest_raw_ns,
            "suspended_ns": suspended_ns,
            "timekeeper": self._timekeeper.snapshot(),
        }
        self._history.save_state(boot_id(), raw_ns, snapshot)
        self._history.save_scores(self._timekeeper.skill.snapshot())

    def report(self) -> dict[str, Any]:
        """How the history does, for status."""
        health = self._history.health()
        return {
            "path": str(health.path) if health.path else None,
            "pending": health.pending,
            "dropped": health.dropped,
            "problem": health.problem,
        }

    def close(self) -> None:
        """Write what is queued and let go of the file."""
        self._history.close()

    def _note(self, message: str) -> None:
        self.messages.append(f"history: {message}")
        _log.warning(self.messages[-1])
