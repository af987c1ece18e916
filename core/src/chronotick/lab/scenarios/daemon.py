"""The daemon's parts on a virtual host: packets in, the record of shared memory out.

Everything between is the daemon's own: exchanges, polls, selection, estimator, fusion, state
machine, steering, writer. What is not: the few lines that wire them (:mod:`chronotick.daemon.app`),
the history, and the thread that publishes, which here takes turns with the event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

from chronotick.clock import Covariates, HostClocks, read_clocks, suspended_baseline_ns
from chronotick.config.schema import Config
from chronotick.daemon.clockwork import Clockwork
from chronotick.daemon.loops import Ticker
from chronotick.daemon.memory import Recollection
from chronotick.daemon.prediction import PredictionLoop
from chronotick.daemon.publisher import Publisher
from chronotick.daemon.status import StateMachine, Transition
from chronotick.daemon.steering import Steering
from chronotick.daemon.timekeeper import Timekeeper
from chronotick.daemon.zoo import LocalModel
from chronotick.lab.replaying.host import NoMemory
from chronotick.lab.scenarios.loop import HostLoop
from chronotick.models.builtin import chronotick_models
from chronotick.models.inprocess import InProcessModel
from chronotick.ntp import Measurement, NtpMonitor
from chronotick.shm.writer import RecordWriter

PLAN_PERIOD_S: Final = 4.0
"""Between plans without an event; the daemon's is 1 s, and a plan is too old to publish after 5."""


class VirtualDaemon:
    """Measures, plans and publishes as its loop's time passes.

    To be made, used and closed while its host is inhabited.

    Args:
        config: as the daemon's; of the models, the estimator's own is asked.
        loop: the host's.
        record: where the record goes.
        remembering: makes its memory, for which there is none by default.
    """

    def __init__(
        self,
        config: Config,
        loop: HostLoop,
        record: Path,
        remembering: Callable[[Timekeeper], Recollection] = lambda _timekeeper: NoMemory(),
    ) -> None:
        self.transitions: list[Transition] = []
        self._loop = loop
        raw_ns = loop.raw_ns()
        self._writer = RecordWriter(record)
        shm = config.shm
        steering = Steering(shm.max_slew_ppm * 1e-6, round(shm.step_threshold_seconds * 1e9))
        self.publisher = Publisher(self._writer, steering, round(shm.validity_seconds * 1e9), 0)
        timekeeper = Timekeeper(config)
        self.clockwork = Clockwork(
            timekeeper,
            remembering(timekeeper),
            StateMachine(self.transitions.append, raw_ns),
            config.clock_measurement,
            raw_ns=raw_ns,
            suspended_ns=suspended_baseline_ns(),
        )
        configured = config.clock_measurement
        self.monitor = NtpMonitor(configured.ntp, configured.timing, self._on_measurement)
        self._loops = self._prediction_loops(config)
        self._make_plan()
        works = [self.monitor.run, Ticker(PLAN_PERIOD_S, self._make_plan).run]
        works += [prediction.run for prediction in self._loops]
        self._tasks = [loop.create_task(work()) for work in works]

    def publish(self) -> None:
        """Publish once, as the publisher's thread does."""
        clocks, plan = read_clocks(), self._plan
        if self.publisher.keeps_silent(clocks.raw_ns, plan):
            return
        self.publisher.tick(clocks, plan)
        if clocks.slept_since(plan.suspended_ns):
            self._loop.call_soon(self._on_suspend, clocks)

    def close(self) -> None:
        """End all tasks; the record stays."""
        for task in self._tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*self._tasks, return_exceptions=True))
        self._writer.close()

    def failure(self) -> BaseException | None:
        """What ended a part of it, which nothing may."""
        ended = (task.exception() for task in self._tasks if task.done())
        return next((error for error in ended if error is not None), None)

    def _on_measurement(self, measurement: Measurement) -> None:
        if self.clockwork.measure(measurement, self.monitor):
            for prediction in self._loops:
                prediction.measured()
            self._make_plan()

    def _make_plan(self) -> None:
        raw_ns = self._loop.raw_ns()
        self._plan = self.clockwork.plan(raw_ns, self.monitor, models_ready=True)

    def _on_suspend(self, clocks: HostClocks) -> None:
        self.clockwork.slept(clocks, self.monitor)
        self._make_plan()

    def _prediction_loops(self, config: Config) -> list[PredictionLoop]:
        spec = next(spec for spec in chronotick_models() if spec.name == "kalman")
        model = LocalModel(InProcessModel(spec))
        sections = (("short_term", config.short_term), ("long_term", config.long_term))
        return [
            PredictionLoop(
                name,
                section,
                self.clockwork.timekeeper,
                read_raw_ns=self._loop.raw_ns,
                covariates=Covariates(1),
                local=[model],
                remote=[],
            )
            for name, section in sections
        ]
