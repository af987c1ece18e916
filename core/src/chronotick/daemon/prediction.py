"""The prediction loops: ask every model for the path of the clock, off the timing path.

In-process models answer at once. Each model in a worker is followed by a task of its own, at its
own pace: a slow one delays nobody and is simply asked less often. An answer to a question from
before a disruption is dropped.

All time is that of the event loop. A replay runs these very loops on one whose time is virtual.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from chronotick.clock import ClockState, ContextWindow, Covariates
from chronotick.config.schema import Predictor
from chronotick.daemon import trace_lines as lines
from chronotick.daemon.timekeeper import Timekeeper
from chronotick.daemon.trace import Trace
from chronotick.daemon.trigger import Trigger
from chronotick.daemon.zoo import LocalModel, RemoteModel
from chronotick.models import LEVELS, Baseline, ModelFailedError, as_batch, as_path
from chronotick.plugin.contract import ContextBatch, Forecast, ModelSpec
from chronotick.workers.errors import DeadlineMissed, ForecastFailed, WorkerError
from chronotick.workers.state import Phase

READY_POLL_S = 0.5  # how often a worker that is not ready is looked at
MISTAKE_S = 10.0  # pause after a mistake of ours in asking a model

_log = logging.getLogger("chronotick.prediction")


class PredictionLoop:
    """One of the two loops (short term, long term).

    Args:
        name: ``short_term`` or ``long_term``.
        config: its section of the configuration.
        timekeeper: where contexts come from and forecasts go to.
        read_raw_ns: the clock.
        covariates: what else was seen, for models that use it.
        local: models that run here.
        remote: models that run in workers.
        trace: where contexts and forecasts are noted, if anywhere.
    """

    def __init__(
        self,
        name: str,
        config: Predictor,
        timekeeper: Timekeeper,
        *,
        read_raw_ns: Callable[[], int],
        covariates: Covariates,
        local: Sequence[LocalModel],
        remote: Sequence[RemoteModel],
        trace: Trace | None = None,
    ) -> None:
        self._name = name
        self._config = config
        self._timekeeper = timekeeper
        self._read_raw_ns = read_raw_ns
        self._covariates = covariates
        self._local = local
        self._remote = remote
        self._trace = trace
        self._triggers: list[Trigger] = []
        self._state: tuple[tuple[int, int], ClockState] | None = None

    def measured(self) -> None:
        """Forecast anew soon: there is a new measurement."""
        for trigger in self._triggers:
            trigger.measured()

    async def run(self) -> None:
        """Forecast whenever the configuration says so, until cancelled."""
        self._triggers.clear()
        together = [m for m in self._local if m.spec.name not in self._config.overrides]
        alone = [m for m in self._local if m.spec.name in self._config.overrides]
        groups = [(together, self._config)] if together else []
        groups += [([m], self._terms(m.spec)) for m in alone]
        tasks = [asyncio.create_task(self._follow_here(*group)) for group in groups]
        tasks += [asyncio.create_task(self._follow(m, self._terms(m.spec))) for m in self._remote]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()

    def forecast(self, models: Sequence[LocalModel], terms: Predictor) -> None:
        """Ask models that run here, now."""
        raw_ns = self._read_raw_ns()

        @functools.cache  # one context for all of them, none where nobody wants one
        def window() -> ContextWindow | None:
            return self._timekeeper.window(terms, raw_ns)

        for model in models:
            with self._spared(model):
                if isinstance(model.model, Baseline):
                    self._expect(model, terms, raw_ns)
                elif (context := window()) is not None:
                    self._ask_here(model, terms, context)
                model.ledger.page(self._name).mistake = ""

    def _terms(self, spec: ModelSpec) -> Predictor:
        return self._config.for_model(spec.name)

    def _new_trigger(self, terms: Predictor) -> Trigger:
        trigger = Trigger(terms)
        self._triggers.append(trigger)
        return trigger

    async def _follow_here(self, models: Sequence[LocalModel], terms: Predictor) -> None:
        trigger = self._new_trigger(terms)
        while True:
            pause_s = MISTAKE_S
            with self._spared(*models):
                asked_s = _now_s()
                trigger.arm()
                self.forecast(models, terms)
                await trigger.wait(asked_s)
                pause_s = 0.0
            await asyncio.sleep(pause_s)

    async def _follow(self, model: RemoteModel, terms: Predictor) -> None:
        trigger = self._new_trigger(terms)
        while True:
            pause_s = MISTAKE_S
            with self._spared(model):
                await self._ask_in_turn(model, terms, trigger)
                pause_s = 0.0
            await asyncio.sleep(pause_s)

    async def _ask_in_turn(self, model: RemoteModel, terms: Predictor, trigger: Trigger) -> None:
        await asyncio.sleep(model.pace.wait_s(self._name, _now_s()))
        async with model.turn:  # the other loop asks the same worker: in turn, first come first
            await self._until_free(model)
            asked_s = _now_s()
            trigger.arm()
            await self._ask(model, terms)
        model.ledger.page(self._name).mistake = ""
        await trigger.wait(asked_s)

    @contextmanager
    def _spared(self, *models: LocalModel | RemoteModel) -> Iterator[None]:
        """Let a mistake of ours cost these models a turn, and nobody else anything."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - it is logged whole, and told in `status`
            words = f"{type(error).__name__}: {error}"
            pages = [model.ledger.page(self._name) for model in models]
            if any(page.mistake != words for page in pages):  # it may happen every second
                _log.exception("no forecast of %s", ", ".join(m.spec.name for m in models))
            for page in pages:
                page.mistake = words

    async def _until_free(self, model: RemoteModel) -> None:
        """Wait until the worker is there, has nothing to do and has rested."""
        while True:
            await model.worker.until_idle()
            rest_s = model.pace.rest_s(_now_s())
            if rest_s > 0:
                await asyncio.sleep(rest_s)
            elif model.worker.state.phase is Phase.READY:
                return
            else:
                await asyncio.sleep(READY_POLL_S)

    def _expect(self, local: LocalModel, terms: Predictor, raw_ns: int) -> None:
        """Take the estimator's own expectation: curved where a context's trend is straight."""
        baseline, state = local.model, self._newest_state()
        assert isinstance(baseline, Baseline)  # noqa: S101 - whoever calls has looked
        if state is None:
            return
        page = local.ledger.page(self._name)
        page.asked_s.append(_now_s())
        step_ns = round(terms.step * 1e9)
        path = baseline.expectation(self._name, state, raw_ns, step_ns, terms.horizon_steps)
        self._timekeeper.forecast(path)
        if self._trace is not None:
            self._trace.note(lines.expectation, self._name, path)
        page.latencies_s.append(path.latency_s)
        page.taken_s = _now_s()

    def _newest_state(self) -> ClockState | None:
        """The estimator's state at the newest measurement, looked at once for each."""
        keeper, newest_raw_ns = self._timekeeper, self._timekeeper.newest_raw_ns
        if newest_raw_ns is None:
            return None
        version = keeper.generation, keeper.accepted
        if self._state is None or self._state[0] != version:
            state = keeper.state(newest_raw_ns)
            self._state = None if state is None else (version, state)
        return None if self._state is None else self._state[1]

    def _ask_here(self, local: LocalModel, terms: Predictor, window: ContextWindow) -> None:
        model, page = local.model, local.ledger.page(self._name)
        page.asked_s.append(_now_s())
        batch = as_batch(window, model.info.max_context)
        self._note_asked(local.spec, terms.horizon_steps, window, batch)
        try:
            forecast, latency_s = model.forecast(batch, terms.horizon_steps, LEVELS)
        except ModelFailedError as error:
            _log.exception("no forecast")
            self._note_failed(local.spec, window, error)
            return
        page.latencies_s.append(latency_s)
        if self._take(local.spec, window, forecast, latency_s):
            page.taken_s = _now_s()

    async def _ask(self, model: RemoteModel, terms: Predictor) -> None:
        window = self._timekeeper.window(terms, self._read_raw_ns())
        if window is None or window.measured < model.spec.min_context:
            return
        generation, asked_s = self._timekeeper.generation, _now_s()
        page = model.ledger.page(self._name)
        page.asked_s.append(asked_s)
        try:
            forecast = await self._forecast(model, terms, window)
        except DeadlineMissed as error:
            self._note_failed(model.spec, window, error)
            await self._wait_for_the_late(model, terms, asked_s)
            return
        except WorkerError as error:
            self._note_failed(model.spec, window, error)
            if isinstance(error, ForecastFailed):
                model.pace.busy(asked_s, _now_s())
            _log.debug("%s: no forecast: %s", model.spec.name, error)  # the worker logs changes
            return
        answered_s = _now_s()
        model.pace.busy(asked_s, answered_s)
        model.pace.answered(self._name)
        page.latencies_s.append(answered_s - asked_s)
        if generation == self._timekeeper.generation and self._take(
            model.spec, window, forecast, answered_s - asked_s
        ):
            page.taken_s = answered_s

    async def _forecast(
        self, model: RemoteModel, terms: Predictor, window: ContextWindow
    ) -> Forecast:
        spec, info = model.spec, model.worker.state.info
        context = info.max_context if info else spec.max_context
        horizon = min(terms.horizon_steps, info.max_horizon if info else 1)
        covariates = self._covariates.sampled(
            spec.covariates, window.trend.raw_ns, window.step_ns, len(window.values)
        )
        batch = as_batch(window, context, covariates)
        self._note_asked(spec, horizon, window, batch)
        return await model.worker.forecast(batch, horizon, LEVELS, terms.timeout_seconds)

    async def _wait_for_the_late(
        self, model: RemoteModel, terms: Predictor, asked_s: float
    ) -> None:
        """See a missed deadline through: nobody else is to ask meanwhile, and its time counts."""
        page = model.ledger.page(self._name)
        page.misses += 1
        model.pace.missed(self._name, _now_s(), terms.inference_interval)
        _log.debug("%s: missed its deadline of %g s", model.spec.name, terms.timeout_seconds)
        answered = await model.worker.until_idle()
        model.pace.busy(asked_s, _now_s())
        if answered:
            page.latencies_s.append(_now_s() - asked_s)

    def _take(
        self, spec: ModelSpec, window: ContextWindow, forecast: Forecast, latency_s: float
    ) -> bool:
        if self._trace is not None:
            self._trace.note(lines.forecast, self._name, spec.name, window, forecast, latency_s)
        try:
            path = as_path(spec.name, self._name, window, forecast, latency_s)
        except ValueError as error:
            _log.warning("%s: forecast dropped: %s", spec.name, error)
            return False
        self._timekeeper.forecast(path)
        return True

    def _note_asked(
        self, spec: ModelSpec, horizon: int, window: ContextWindow, batch: ContextBatch
    ) -> None:
        if self._trace is not None:
            self._trace.note(lines.context, self._name, spec.name, horizon, window, batch)

    def _note_failed(self, spec: ModelSpec, window: ContextWindow, error: Exception) -> None:
        if self._trace is not None:
            self._trace.note(lines.failure, self._name, spec.name, window, error)


def _now_s() -> float:
    return asyncio.get_running_loop().time()
