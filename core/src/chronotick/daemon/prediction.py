"""The prediction loops: ask every model for the path of the clock, off the timing path.

In-process models answer at once. Workers are asked concurrently and answer when they can; an
answer to a question from before a disruption is dropped.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from chronotick.clock import ContextWindow
from chronotick.config.schema import Predictor
from chronotick.daemon.timekeeper import Timekeeper
from chronotick.daemon.zoo import RemoteModel
from chronotick.models import LEVELS, InProcessModel, ModelFailedError, as_batch, as_path
from chronotick.plugin.contract import Forecast, ModelSpec
from chronotick.workers.errors import WorkerError
from chronotick.workers.state import Phase

_log = logging.getLogger("chronotick.prediction")


class PredictionLoop:
    """One of the two loops (short term, long term).

    Args:
        name: ``short_term`` or ``long_term``.
        config: its section of the configuration.
        timekeeper: where contexts come from and forecasts go to.
        read_raw_ns: the clock.
        local: models that run here.
        remote: models that run in workers.
    """

    def __init__(
        self,
        name: str,
        config: Predictor,
        timekeeper: Timekeeper,
        *,
        read_raw_ns: Callable[[], int],
        local: Sequence[InProcessModel],
        remote: Sequence[RemoteModel],
    ) -> None:
        self._name = name
        self._config = config
        self._timekeeper = timekeeper
        self._read_raw_ns = read_raw_ns
        self._local = local
        self._remote = remote
        self._wake = asyncio.Event()
        self._asking: dict[str, asyncio.Task[None]] = {}

    def measured(self) -> None:
        """Forecast anew soon: there is a new measurement."""
        self._wake.set()

    async def run(self) -> None:
        """Forecast at every interval and after every measurement, until cancelled."""
        try:
            while True:
                self.forecast()
                self._wake.clear()
                await self._pause()
        finally:
            for task in list(self._asking.values()):
                task.cancel()

    async def _pause(self) -> None:
        """Wait for the interval or a measurement, whichever is first.

        Not with ``wait_for``: before Python 3.12 it can swallow a cancellation.
        """
        waking = asyncio.create_task(self._wake.wait())
        try:
            await asyncio.wait({waking}, timeout=self._config.inference_interval)
        finally:
            waking.cancel()

    def forecast(self) -> None:
        """Ask all models now; those in workers answer later."""
        window = self._timekeeper.window(self._config, self._read_raw_ns())
        if window is None:
            return
        for local in self._local:
            self._ask_here(local, window)
        for remote in self._remote:
            name = remote.spec.name
            # One question of this loop at a time: the other loop asks the same worker.
            if self._is_ready(remote, window) and name not in self._asking:
                self._asking[name] = asyncio.create_task(self._ask(remote, window))

    def _is_ready(self, remote: RemoteModel, window: ContextWindow) -> bool:
        enough = window.measured >= remote.spec.min_context
        return enough and remote.worker.state.phase is Phase.READY

    def _ask_here(self, model: InProcessModel, window: ContextWindow) -> None:
        batch = as_batch(window, model.info.max_context)
        try:
            forecast, latency_s = model.forecast(batch, self._config.horizon_steps, LEVELS)
        except ModelFailedError:
            _log.exception("no forecast")
            return
        self._take(model.spec, window, forecast, latency_s)

    async def _ask(self, model: RemoteModel, window: ContextWindow) -> None:
        loop = asyncio.get_running_loop()
        generation, started = self._timekeeper.generation, loop.time()
        info = model.worker.state.info
        context = info.max_context if info else model.spec.max_context
        horizon = min(self._config.horizon_steps, info.max_horizon if info else 1)
        try:
            forecast = await model.worker.forecast(
                as_batch(window, context), horizon, LEVELS, self._config.timeout_seconds
            )
        except WorkerError as error:
            _log.debug("%s: no forecast: %s", model.spec.name, error)  # the worker logs changes
            return
        finally:
            del self._asking[model.spec.name]
        if generation == self._timekeeper.generation:
            self._take(model.spec, window, forecast, loop.time() - started)

    def _take(
        self, spec: ModelSpec, window: ContextWindow, forecast: Forecast, latency_s: float
    ) -> None:
        try:
            path = as_path(spec.name, self._name, window, forecast, latency_s)
        except ValueError as error:
            _log.warning("%s: forecast dropped: %s", spec.name, error)
            return
        self._timekeeper.forecast(path)
