"""Runs the prediction loops that the configuration asks for, each as a task."""

from __future__ import annotations

import asyncio
import logging

from chronotick.clock import Covariates
from chronotick.config.schema import Config
from chronotick.daemon.loops import cancel
from chronotick.daemon.prediction import PredictionLoop
from chronotick.daemon.timekeeper import Timekeeper
from chronotick.daemon.trace import Trace
from chronotick.daemon.zoo import Zoo
from chronotick.shm.clocks import raw_ns

_log = logging.getLogger("chronotick.daemon")


class Predictions:
    """The short-term and the long-term loop.

    Args:
        zoo: the models.
        timekeeper: where contexts come from and forecasts go to.
        covariates: what else was seen, for models that use it.
        trace: where contexts and forecasts are noted, if anywhere.
    """

    def __init__(
        self, zoo: Zoo, timekeeper: Timekeeper, covariates: Covariates, trace: Trace | None
    ) -> None:
        self._zoo = zoo
        self._timekeeper = timekeeper
        self._covariates = covariates
        self._trace = trace
        self._loops: list[PredictionLoop] = []
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, config: Config) -> None:
        """Begin."""
        sections = {"short_term": config.short_term, "long_term": config.long_term}
        self._loops = [
            PredictionLoop(
                name,
                section,
                self._timekeeper,
                read_raw_ns=raw_ns,
                covariates=self._covariates,
                local=self._zoo.local(section),
                remote=self._zoo.remote(section),
                trace=self._trace,
            )
            for name, section in sections.items()
            if section.enabled
        ]
        self._tasks = [asyncio.create_task(self._run(loop)) for loop in self._loops]

    async def stop(self) -> None:
        """End; :meth:`start` begins anew."""
        await cancel(self._tasks)

    def measured(self) -> None:
        """Forecast anew soon: there is a new measurement."""
        for loop in self._loops:
            loop.measured()

    async def _run(self, loop: PredictionLoop) -> None:
        try:
            await loop.run()
        except Exception:  # noqa: BLE001 - it is logged whole
            # Forecasts are worth less than the clock: it goes on without them.
            _log.exception("a prediction loop ended by a mistake; the clock goes on without it")
