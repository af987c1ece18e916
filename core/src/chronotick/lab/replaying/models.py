"""Models for a replay: those of the daemon, real workers included, on virtual time.

Workers answer in real time, in an event loop of their own. While one is asked, virtual time stands
still; then what it really took passes, and only then its answer is there.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any

from chronotick.config.schema import Config, Predictor
from chronotick.daemon.zoo import LocalModel, RemoteModel, Zoo, names
from chronotick.lab.reality import Reality
from chronotick.plugin.contract import ContextBatch, Forecast
from chronotick.plugin.registry import Plugins
from chronotick.workers.errors import DeadlineMissed
from chronotick.workers.interface import AnyWorker
from chronotick.workers.messages import Message
from chronotick.workers.sockets import sockets_directory
from chronotick.workers.state import Phase, WorkerState

if TYPE_CHECKING:
    from typing_extensions import Self  # in typing from Python 3.11

POLL_S = 0.05  # how often a worker that is not ready is looked at


class ModelUnavailableError(Exception):
    """Raised when a model cannot be started, or does not come back: no replay goes on without it.

    Attributes:
        model: its name.
    """

    def __init__(self, model: str, reason: str) -> None:
        self.model = model
        super().__init__(f"{model} does not run: {reason}. A replay never goes on without a model")


class Models:
    """The models of a configuration, started; to be used in a ``with`` statement.

    Args:
        config: which models, and how they are run.
        plugins: what is installed.

    Raises:
        UnknownModel: no plugin provides one of them.
        ModelUnavailableError: one cannot be started.
    """

    def __init__(self, config: Config, plugins: Plugins) -> None:
        self._config = config
        self._plugins = plugins
        self._remote: dict[str, RemoteModel] = {}

    def __enter__(self) -> Self:
        self._reality = Reality()
        self._zoo = Zoo(self._plugins, sockets_directory())
        try:
            self._reality.run(self._zoo.use(self._config))
            self._check_broken()
            self._adopt()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._close()

    def local(self, predictor: Predictor) -> list[LocalModel]:
        """Models of a loop that run here."""
        return self._zoo.local(predictor)

    def remote(self, predictor: Predictor) -> list[RemoteModel]:
        """Models of a loop that run in workers."""
        return [self._remote[model.spec.name] for model in self._zoo.remote(predictor)]

    @property
    def failure(self) -> ModelUnavailableError | None:
        """Why the replay has to end, if it has to."""
        workers = (model.worker for model in self._remote.values())
        failures = (w.failure for w in workers if isinstance(w, StillWorker))
        return next((failure for failure in failures if failure is not None), None)

    def report(self) -> dict[str, dict[str, Any]]:
        """What each model did, by name, in the order of the configuration."""
        told = self._zoo.report()
        loops = (self._config.short_term, self._config.long_term)
        ordered = dict.fromkeys(name for loop in loops for name in names(loop))
        return {name: told[name] for name in ordered}

    def _check_broken(self) -> None:
        for name, told in self._zoo.report().items():
            if told["state"] == "broken":
                raise ModelUnavailableError(name, told["last_error"])

    def _adopt(self) -> None:
        """Put every worker behind virtual time, and wait until all are ready."""
        loops = (self._config.short_term, self._config.long_term)
        for model in (model for loop in loops for model in self._zoo.remote(loop)):
            worker = StillWorker(model.worker, self._reality)
            self._remote[model.spec.name] = replace(model, worker=worker, turn=asyncio.Lock())
        for model in self._remote.values():
            assert isinstance(model.worker, StillWorker)  # noqa: S101 - made above
            model.worker.wait_until_ready()

    def _close(self) -> None:
        self._reality.run(self._zoo.close())
        self._reality.close()


class StillWorker:
    """A real worker, for a virtual event loop whose time stands still while it is asked.

    Args:
        worker: the real one.
        reality: where it lives.
    """

    def __init__(self, worker: AnyWorker, reality: Reality) -> None:
        self.name = worker.name
        self.identity = worker.identity
        self.failure: ModelUnavailableError | None = None
        self._worker = worker
        self._reality = reality
        self._late = False

    @property
    def state(self) -> WorkerState:
        """A snapshot of what the worker is doing."""
        return self._worker.state

    def output(self, lines: int = 20) -> str:
        """Return the last lines it printed."""
        return self._worker.output(lines)

    async def forecast(
        self, batch: ContextBatch, horizon: int, quantiles: Sequence[float], timeout_s: float
    ) -> Forecast:
        """Ask for a forecast, and let the time pass that it took."""
        began_s = time.perf_counter()
        try:
            return self._reality.run(self._worker.forecast(batch, horizon, quantiles, timeout_s))
        except DeadlineMissed:
            self._late = True
            raise
        finally:
            await asyncio.sleep(time.perf_counter() - began_s)

    async def until_idle(self) -> bool:
        """Wait for a late answer; a worker that has died is waited for while time stands still."""
        began_s = time.perf_counter()
        answered = self._reality.run(self._worker.until_idle())
        if self._late:
            self._late = False
            await asyncio.sleep(time.perf_counter() - began_s)
        self.wait_until_ready()
        return answered

    def wait_until_ready(self) -> None:
        """Wait in real time.

        Raises:
            ModelUnavailableError: it is broken.
        """
        try:
            self._reality.run(self._ready())
        except ModelUnavailableError as error:
            self.failure = error
            raise

    async def _ready(self) -> None:
        while (state := self._worker.state).phase is not Phase.READY:
            if state.phase in {Phase.BROKEN, Phase.STOPPED}:
                raise ModelUnavailableError(self.name, state.last_error or state.detail)
            await asyncio.sleep(POLL_S)

    def start(self) -> None:
        """Do nothing: it lives already."""

    async def stop(self) -> None:
        """Do nothing: it ends with the zoo."""

    def receive(self, message: Message) -> bool:
        """Take no message: they go to the real worker."""
        del message
        return False
