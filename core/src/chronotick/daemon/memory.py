"""What the daemon writes down, and what it takes up again after a restart."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from chronotick.config.schema import History as HistoryConfig
from chronotick.daemon.status import Transition
from chronotick.daemon.timekeeper import Target, Timekeeper
from chronotick.fusion import Score
from chronotick.history import History, HistoryUnavailableError, Reading, boot_id, open_history
from chronotick.history import Score as StoredScore
from chronotick.ntp.measurement import Measurement
from chronotick.shm.layout import Status
from chronotick.shm.record import READY, SUSPEND_TOLERANCE_NS, Record

SAVE_PERIOD_NS = 10_000_000_000
READING_PERIOD_S = 10.0  # 8640 rows a day, 1.5 MB
CONTEXT_NS = 12 * 3600 * 1_000_000_000  # measurements taken up again: the longest default context

_log = logging.getLogger("chronotick.history")


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What must be the same, or good enough, for a restart to go on from a saved state.

    Attributes:
        servers: as configured. A clock measured on others may have been another time.
        suspended_ns: how long the host had slept since boot.
        status: what the time was worth.
        believed: sources whose measurements made it.
        marker: VMClock's; another one after the machine was migrated or restored.
    """

    servers: tuple[str, ...]
    suspended_ns: int
    status: Status
    believed: frozenset[str] = frozenset()
    marker: int | None = None

    def as_json(self) -> dict[str, Any]:
        """As JSON types."""
        return {
            "servers": list(self.servers),
            "suspended_ns": self.suspended_ns,
            "status": self.status.value,
            "believed": sorted(self.believed),
            "marker": self.marker,
        }

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> Standing:
        """From JSON types.

        Raises:
            KeyError, TypeError, ValueError, OverflowError: they are not of a standing.
        """
        return cls(
            servers=tuple(map(str, saved["servers"])),
            suspended_ns=int(saved["suspended_ns"]),
            status=Status(saved["status"]),
            believed=frozenset(map(str, saved["believed"])),
            marker=saved.get("marker"),  # states saved by earlier versions have none
        )


class Recollection(Protocol):
    """What a clockwork writes down, and goes on from: :class:`Memory`, or nothing at all."""

    def resume(self, raw_ns: int, now: Standing) -> frozenset[str] | None:
        """Take up what was saved; return the sources believed then if the clock goes on."""

    def measured(self, measurement: Measurement, *, selected: bool) -> int:
        """Write a measurement down and return its number."""

    def scored(self, measurement_id: int, scores: Iterable[Score]) -> None:
        """Write down forecasts together with how they turned out."""

    def save_if_due(self, raw_ns: int, standing: Standing) -> None:
        """Save the state every few seconds."""

    def save(self, raw_ns: int, standing: Standing) -> None:
        """Save what a restart goes on with."""


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

    def resume(self, raw_ns: int, now: Standing) -> frozenset[str] | None:
        """Take up scores always, and the clock where it was if it can be the same one.

        Returns:
            The sources that were believed if the clock goes on without a warm-up, else ``None``.
        """
        try:
            self._resume_scores()
            saved = self._history.load_state(boot_id())
            if saved is None:
                return None
            before = Standing.from_json(saved.snapshot["standing"])
            newest_raw_ns = int(saved.snapshot["newest_raw_ns"])
            obstacle = self._obstacle(before, now, raw_ns - newest_raw_ns)
            if obstacle:
                _log.info("not resumed: %s", obstacle)
                return None
            self._timekeeper.restore(saved.snapshot["timekeeper"])
            earlier = self._history.measurements_since(raw_ns - CONTEXT_NS)
        except HistoryUnavailableError as error:
            self._note(f"nothing is resumed: {error}")
            return None
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            self._note(f"the clock's saved state is not used: {error!r}")
            return None
        self._timekeeper.remember(
            each.measurement
            for each in earlier
            if each.selected and each.measurement.source in before.believed
        )
        _log.info("resumed: the last measurement is %.1f s old", (raw_ns - newest_raw_ns) * 1e-9)
        return before.believed

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
            before=transition.before.words,
            after=transition.after.words,
            reason=transition.reason,
        )

    def served(self, record: Record, target: Target) -> None:
        """Write down what is served, for those who ask later."""
        calibration = self._timekeeper.calibration
        reading = Reading(
            raw_ns=record.anchor_raw_ns,
            unix_ns=record.anchor_utc_ns,
            status=record.status.words,
            system_minus_utc_ns=record.system_minus_utc_ns,
            bound_ns=record.bound_ns,
            sigma_ns=record.sigma_ns,
            frequency=target.rate,
            coverage=calibration.coverage,
            weights={member.model: member.weight for member in target.fused.members},
        )
        self._history.add_reading(reading)

    def save_if_due(self, raw_ns: int, standing: Standing) -> None:
        """Save the state every few seconds."""
        if raw_ns - self._saved_raw_ns >= SAVE_PERIOD_NS:
            self.save(raw_ns, standing)

    def save(self, raw_ns: int, standing: Standing) -> None:
        """Save what a restart goes on with."""
        if self._timekeeper.newest_raw_ns is None:
            return
        self._saved_raw_ns = raw_ns
        snapshot = {
            "newest_raw_ns": self._timekeeper.newest_raw_ns,
            "standing": standing.as_json(),
            "timekeeper": self._timekeeper.snapshot(),
        }
        self._history.save_state(boot_id(), raw_ns, snapshot)
        self._history.save_scores(self._timekeeper.skill.snapshot())

    def save_part(self, name: str, body: Mapping[str, Any]) -> None:
        """Replace what a part of the daemon goes on with after a restart."""
        self._history.save_part(name, body)

    def load_part(self, name: str) -> Mapping[str, Any] | None:
        """What was saved last; ``None`` if there is nothing that can be used."""
        try:
            return self._history.load_part(name)
        except (HistoryUnavailableError, AttributeError, TypeError, ValueError) as error:
            self._note(f"the {name} begins anew: {error}")
            return None

    def report(self) -> dict[str, Any]:
        """How the history does, and what there was to say of it, for status."""
        health = self._history.health()
        return {
            "path": str(health.path) if health.path else None,
            "pending": health.pending,
            "dropped": health.dropped,
            "problem": health.problem,
            "messages": list(self.messages),
        }

    def close(self) -> None:
        """Write what is queued and let go of the file."""
        self._history.close()

    def _obstacle(self, before: Standing, now: Standing, age_ns: int) -> str:
        """Why a saved state says nothing of the clock now; empty if it does."""
        if not 0 <= age_ns <= self._max_resume_age_ns:
            return f"the last measurement is {age_ns * 1e-9:.0f} s old"
        if abs(now.suspended_ns - before.suspended_ns) > SUSPEND_TOLERANCE_NS:
            return "the host slept since the state was saved"
        if now.marker != before.marker:
            return "the virtual machine was migrated or restored since the state was saved"
        if set(now.servers) != set(before.servers):
            return "it was measured on other servers"
        if before.status not in READY:
            return f"it was {before.status.words}"
        return ""

    def _resume_scores(self) -> None:
        try:
            self._timekeeper.skill.restore(self._history.load_scores())
        except ValueError as error:
            self._note(f"{error}; models have to prove themselves anew")

    def _note(self, message: str) -> None:
        self.messages.append(f"history: {message}")
        _log.warning(self.messages[-1])
