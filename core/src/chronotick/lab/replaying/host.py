"""A daemon without sockets, clocks and files: everything between a measurement and a plan."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING

from chronotick.clock import Covariates, HostClocks
from chronotick.config.schema import Config
from chronotick.daemon.clockwork import Clockwork
from chronotick.daemon.memory import Standing
from chronotick.daemon.prediction import PredictionLoop
from chronotick.daemon.publisher import Plan
from chronotick.daemon.status import StateMachine, Transition
from chronotick.daemon.timekeeper import Timekeeper
from chronotick.fusion import Score
from chronotick.lab.recordings.recording import Arrival
from chronotick.lab.replaying.models import Models
from chronotick.lab.replaying.serving import ServedTime
from chronotick.lab.replaying.sources import RecordedSources
from chronotick.lab.replaying.traced import Began, Happening, Slept
from chronotick.lab.replaying.virtual_loop import VirtualLoop
from chronotick.ntp.measurement import Measurement

if TYPE_CHECKING:
    from typing_extensions import Self  # in typing from Python 3.11

NS_PER_S = 1_000_000_000


class NoMemory:
    """A :class:`chronotick.daemon.memory.Recollection` of nothing: a replay leaves no trace."""

    def __init__(self) -> None:
        self.scores: Counter[str] = Counter()
        self._measurements = 0

    def resume(self, raw_ns: int, now: Standing) -> frozenset[str] | None:
        """Nothing was saved."""
        del raw_ns, now
        return None

    def measured(self, measurement: Measurement, *, selected: bool) -> int:
        """Count a measurement and return its number."""
        del measurement, selected
        self._measurements += 1
        return self._measurements

    def scored(self, measurement_id: int, scores: Iterable[Score]) -> None:
        """Count judged forecasts."""
        del measurement_id
        self.scores.update(score.path.model for score in scores)

    def save_if_due(self, raw_ns: int, standing: Standing) -> None:
        """Save nothing."""

    def save(self, raw_ns: int, standing: Standing) -> None:
        """Save nothing."""


class TracedMemory(NoMemory):
    """What a daemon went on from, as its debug trace holds it.

    Args:
        began: that.
        timekeeper: what goes on.
    """

    def __init__(self, began: Began, timekeeper: Timekeeper) -> None:
        super().__init__()
        self._began = began
        self._timekeeper = timekeeper

    def resume(self, raw_ns: int, now: Standing) -> frozenset[str] | None:
        """Take up what the daemon took up.

        Raises:
            ValueError: it is damaged, or of another version.
        """
        del raw_ns, now
        self._timekeeper.skill.restore(self._began.skill)
        if self._began.timekeeper is None:
            return None
        self._timekeeper.restore(self._began.timekeeper)
        return self._began.believed


class VirtualHost:
    """The daemon's parts on a virtual clock; to be used in a ``with`` statement.

    Whoever drives it calls its methods in the order of virtual time.

    Args:
        config: as the daemon's.
        models: started.
        raw_ns: RAW time at the start.
        suspended_ns: how long the host had slept by then.
        began: what the daemon went on from; ``None``: nothing.
        is_told: what happened to sources is told by :meth:`happen`, and not inferred.

    Raises:
        ValueError: what the daemon went on from is damaged, or of another version.
    """

    def __init__(
        self,
        config: Config,
        models: Models,
        raw_ns: int,
        *,
        suspended_ns: int = 0,
        began: Began | None = None,
        is_told: bool = False,
    ) -> None:
        self.sources = RecordedSources(config.clock_measurement, is_told=is_told)
        self.transitions: list[Transition] = []
        self.timekeeper = Timekeeper(config)
        self.memory = NoMemory() if began is None else TracedMemory(began, self.timekeeper)
        self.clockwork = Clockwork(
            self.timekeeper,
            self.memory,
            StateMachine(self.transitions.append, raw_ns),
            config.clock_measurement,
            raw_ns=raw_ns,
            suspended_ns=suspended_ns,
        )
        self.clockwork.resume(raw_ns)
        self.served = ServedTime(config.shm, raw_ns)
        self._bounded: set[str] = set()
        self._models = models
        self._start_ns = raw_ns
        self._loop = VirtualLoop()
        self._loops = self._prediction_loops(config)
        self._tasks = [self._loop.create_task(loop.run()) for loop in self._loops]
        self.plan = self.make_plan(raw_ns)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:  # gathering nothing needs a running loop
            self._loop.run_until_complete(asyncio.gather(*self._tasks, return_exceptions=True))
        self._loop.close()

    def pass_time(self, raw_ns: int) -> None:
        """Let forecasts be made and time be served until an instant, that instant included.

        Raises:
            ModelUnavailableError: a model died and does not come back.
            SteppedBackError: served time ran backwards.
        """
        self._loop.run_until((raw_ns - self._start_ns) / NS_PER_S)
        failure = self._models.failure
        if failure is not None:
            raise failure
        self.served.follow(self.plan, raw_ns)

    def arrive(self, arrival: Arrival) -> bool:
        """Take in an answer; return whether it was learnt from."""
        if not self.sources.arrive(arrival):
            return False
        if arrival.bounded:
            self._bounded.add(arrival.measurement.source)
        learnt = self.clockwork.measure(arrival.measurement, self.sources)
        if learnt:
            for loop in self._loops:
                loop.measured()
            self.make_plan(arrival.raw_ns)
        return learnt

    def happen(self, happening: Happening) -> None:
        """Take in what a trace tells besides measurements."""
        if isinstance(happening, Slept):
            clocks = HostClocks(happening.raw_ns, 0, happening.suspended_ns)
            self.clockwork.slept(clocks, self.sources)
            self.make_plan(happening.raw_ns)
        else:
            self.sources.told(happening)

    def is_bounded(self) -> bool:
        """Whether an answer of a believed source has bounded the error, ever."""
        return not self._bounded.isdisjoint(self.sources.selected().survivors or self._bounded)

    def make_plan(self, raw_ns: int) -> Plan:
        """Plan anew, as the daemon does after every event and once in a while."""
        self.plan = self.clockwork.plan(raw_ns, self.sources, models_ready=True)
        return self.plan

    def _prediction_loops(self, config: Config) -> list[PredictionLoop]:
        loops = (("short_term", config.short_term), ("long_term", config.long_term))
        return [
            PredictionLoop(
                name,
                predictor,
                self.timekeeper,
                read_raw_ns=self._read_raw_ns,
                covariates=Covariates(1),
                local=self._models.local(predictor),
                remote=self._models.remote(predictor),
            )
            for name, predictor in loops
            if predictor.enabled
        ]

    def _read_raw_ns(self) -> int:
        return self._start_ns + round(self._loop.time() * NS_PER_S)
