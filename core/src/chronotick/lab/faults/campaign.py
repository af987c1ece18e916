"""A campaign: which fault is injected when, and how long until all is well again."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

from chronotick.lab.faults.kinds import KINDS, Fault, NotNowError
from chronotick.lab.faults.procfs import Used, used
from chronotick.lab.faults.readers import Readers
from chronotick.lab.faults.rig import Rig
from chronotick.shm.clocks import raw_ns

TURN_S: Final = 0.05
SECOND_S: Final = 1.0
TRIES: Final = 60
"""How often it is looked whether there is something to inject a fault into, each half second."""
PATIENT_STARTS: Final = 3
"""So often a daemon fails to start before somebody looks after it."""
TOGETHER: Final = 0.25
"""How often a fault does not wait until the one before is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """How faults follow each other.

    Attributes:
        hold_s: how long they last, at least and at most.
        pause_s: between all is well and the next, on average.
        patience_s: how long recovery is waited for before the next fault is injected all the same.
        together: how often a fault does not wait for the one before.
        quiet_s: how long those last at least that leave readers without a time.
        notice_s: how long the daemon has to notice what it has to notice.
    """

    hold_s: tuple[float, float] = (1.0, 12.0)
    pause_s: float = 4.0
    patience_s: float = 90.0
    together: float = TOGETHER
    quiet_s: float = 0.0
    notice_s: float = 90.0


@dataclass(kw_only=True)
class Injection:
    """A fault and what became of it.

    Attributes:
        kind: its name in `KINDS`.
        fault: it.
        at_s: when it was injected (monotonic).
        at_raw_ns: the same by CLOCK_MONOTONIC_RAW.
        undo_at_s: when it is to be taken back; it is ``None`` when that is done.
        over_s: when it was taken back, or injected where it does not last.
        alone: no other fault was there before it was over.
        recovery_s: from then until all was well; ``None``: not yet.
        answers: of the worker that it was injected into, when it was over.
        unnoticed: the daemon did not notice it while it lasted, as it had to.
    """

    kind: str
    fault: Fault
    at_s: float
    at_raw_ns: int
    undo_at_s: float | None
    over_s: float
    alone: bool
    recovery_s: float | None = None
    answers: int | None = None
    unnoticed: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """What the daemon used at a moment.

    Attributes:
        at_s: seconds since the run began.
        pid: of the daemon.
        age_s: since it was first seen.
        used: what it used.
    """

    at_s: float
    pid: int
    age_s: float
    used: Used


@dataclass
class Absences:
    """When workers did not answer: (model, since when, until when; monotonic s)."""

    over: list[tuple[str, float, float]] = field(default_factory=list)
    going_on: dict[str, float] = field(default_factory=dict)

    def look(self, states: dict[str, str], now_s: float) -> None:
        """Take note of the state of every model."""
        for name, state in states.items():
            if state != "ready":
                self.going_on.setdefault(name, now_s)
            elif (since_s := self.going_on.pop(name, None)) is not None:
                self.over.append((name, since_s, now_s))


class Campaign:
    """Injects faults into a rig beside readers.

    Args:
        rig: it.
        readers: the readers.
        random: of the schedule.
        schedule: how faults follow each other.
        say: told what happens.
    """

    def __init__(
        self,
        rig: Rig,
        readers: Readers,
        random: Random,
        schedule: Schedule,
        say: Callable[[str], None],
    ) -> None:
        self.injections: list[Injection] = []
        self.readings: list[Reading] = []
        self.absences = Absences()
        self.left_out: dict[str, str] = {}
        self.interventions = 0
        self._rig, self._readers, self._random = rig, readers, random
        self._schedule, self._say = schedule, say
        self._began_s = self._second_s = time.monotonic()
        self._first_seen_s: dict[int, float] = {}

    @property
    def elapsed_s(self) -> float:
        """Since the run began."""
        return time.monotonic() - self._began_s

    def run(self, kinds: Sequence[str], until_s: float) -> None:
        """Inject faults until so long after the beginning; 0: each kind once.

        All kinds take turns, in an order of chance.
        """
        while True:
            turn = list(kinds)
            self._random.shuffle(turn)
            for kind in turn:
                self._until_free(kind)
                if until_s and self.elapsed_s >= until_s:
                    self._until(lambda: not self._open(), self._schedule.patience_s)
                    return
                self._inject(kind)
            if not until_s:
                self._until(lambda: not self._open(), self._schedule.patience_s)
                return

    def settle(self, patience_s: float) -> bool:
        """Wait until all is well again after every fault; returns whether it is."""
        rig = self._rig
        began_s = time.monotonic()

        def is_well() -> bool:
            works = rig.is_well(began_s) and rig.poller.latest.writes and rig.all_work()
            return works and not self._open()

        done = self._until(is_well, patience_s)
        self.watch(2 * SECOND_S)  # for the readings of the last second
        return done

    def watch(self, for_s: float) -> None:
        """Let time pass."""
        self._until(lambda: False, for_s)

    def _tried(self, kind: str) -> Fault | None:
        """Inject a fault as soon as there is something to inject it into."""
        for _ in range(TRIES):
            found = self._tried_once(kind)
            if found is not None:
                return found
            self.watch(SECOND_S / 2)
        self._say(f"{kind}: not injected: {self.left_out[kind]}")
        return None

    def _tried_once(self, kind: str) -> Fault | None:
        try:
            return KINDS[kind].inject(self._rig, self._random)
        except (NotNowError, OSError) as reason:
            self.left_out[kind] = str(reason)
            return None

    def _inject(self, kind: str) -> None:
        fault = self._tried(kind)
        if fault is None:
            return
        now_s, hold_s = time.monotonic(), self._random.uniform(*self._schedule.hold_s)
        if KINDS[kind].quiet:
            hold_s = max(hold_s, self._schedule.quiet_s)
        injection = Injection(
            kind=kind,
            fault=fault,
            at_s=now_s,
            at_raw_ns=raw_ns(),
            undo_at_s=now_s + hold_s if KINDS[kind].lasts else None,
            over_s=time.monotonic(),
            alone=not self._open(),
        )
        for other in self._open():
            other.alone = False
        self.injections.append(injection)
        lasts = f" for {hold_s:.1f} s" if KINDS[kind].lasts else ""
        self._say(f"{kind}{lasts} {fault.detail}")

    def _until_free(self, kind: str) -> None:
        """Wait until a fault of this kind may be injected."""
        realm = KINDS[kind].realm
        together = self._random.random() < self._schedule.together
        pause_s = self._random.expovariate(1 / self._schedule.pause_s)

        def is_free() -> bool:
            going_on = self._open()
            if any(KINDS[each.kind].realm == realm for each in going_on):
                return False
            return together or all(each.fault.model for each in going_on)

        self._until(is_free, self._schedule.patience_s)
        self.watch(pause_s)

    def _open(self) -> list[Injection]:
        """Faults that have not been recovered from."""
        return [each for each in self.injections if each.recovery_s is None]

    def _until(self, condition: Callable[[], bool], patience_s: float) -> bool:
        deadline_s = time.monotonic() + patience_s
        while not (done := condition()) and time.monotonic() < deadline_s:
            self._turn()
            time.sleep(TURN_S)
        return done

    def _turn(self) -> None:
        now_s = time.monotonic()
        self._rig.service.look()
        self._intervene()
        for injection in self._open():
            self._look_at(injection, now_s)
        if now_s - self._second_s >= SECOND_S:
            self._second_s = now_s
            self._each_second(now_s)

    def _intervene(self) -> None:
        """Do what an operator does who reads in the log why the daemon does not start."""
        service, record = self._rig.service, self._rig.record
        undone = any(each.undo_at_s is not None for each in self._open())
        if service.failed_in_a_row < PATIENT_STARTS or undone:
            return
        self._say("an operator removes what is no record any more")
        service.failed_in_a_row = 0
        self.interventions += 1
        record.unlink(missing_ok=True)

    def _look_at(self, injection: Injection, now_s: float) -> None:
        if injection.undo_at_s is not None:
            if now_s >= injection.undo_at_s and self._may_end(injection, now_s):
                injection.fault.undo()
                injection.undo_at_s, injection.over_s = None, time.monotonic()
        elif self._is_over(injection):
            injection.recovery_s = now_s - injection.over_s
            self._say(f"{injection.kind}: well again after {injection.recovery_s:.2f} s")

    def _may_end(self, injection: Injection, now_s: float) -> bool:
        """Whether the daemon has noticed what it has to notice, or had time enough."""
        noticed, deadline_s = injection.fault.noticed, injection.at_s + self._schedule.notice_s
        if noticed is None or (self._rig.poller.latest.at_s > injection.at_s and noticed()):
            return True
        injection.unnoticed = now_s > deadline_s
        return injection.unnoticed

    def _is_over(self, injection: Injection) -> bool:
        said, fault = self._rig.poller.latest, injection.fault
        if injection.unnoticed:
            return False
        if not self._rig.is_well(injection.over_s) or (fault.history and not said.writes):
            return False
        if not fault.model:
            return True
        told = said.models.get(fault.model, {})
        answers = told.get("answers", 0)
        if injection.answers is None:
            injection.answers = answers
        return told.get("state") == "ready" and answers not in {0, injection.answers}

    def _each_second(self, now_s: float) -> None:
        rig = self._rig
        rig.service.note_descendants()
        self._readers.look()
        models = rig.poller.latest.models
        if models:
            states = {n: str(t["state"]) for n, t in models.items() if n != rig.memory_hog}
            self.absences.look(states, now_s)
        pid = rig.service.pid
        found = used(pid) if pid is not None else None
        if pid is not None and found is not None:
            age_s = now_s - self._first_seen_s.setdefault(pid, now_s)
            self.readings.append(Reading(self.elapsed_s, pid, age_s, found))
