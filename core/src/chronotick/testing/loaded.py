"""A running model for tests that are not asynchronous."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from chronotick.config.schema import Workers
from chronotick.plugin.contract import Forecast, ModelInfo, ModelSpec
from chronotick.testing.checks import Check, Subject
from chronotick.testing.running import running
from chronotick.workers.state import WorkerState

T = TypeVar("T")


class LoadedModel:
    """A model in its process. Made by :func:`loaded`."""

    def __init__(self, subject: Subject, loop: asyncio.AbstractEventLoop) -> None:
        self.subject = subject
        self._loop = loop

    @property
    def info(self) -> ModelInfo:
        """What the model said of itself."""
        return self.subject.info

    @property
    def state(self) -> WorkerState:
        """What its worker is doing."""
        return self.subject.worker.state

    def forecast(self, values: NDArray[np.float64], horizon: int = 16) -> Forecast:
        """Forecast from residuals ``[series, length]`` in seconds.

        Raises:
            Violation: the model failed, or its answer is no forecast.
        """
        return _wait(self._loop, self.subject.ask(values, horizon))

    def check(self, check: Check) -> None:
        """Run a conformance check.

        Raises:
            Violation: the model does not do what is asked of it.
        """
        _wait(self._loop, check(self.subject))


@contextmanager
def loaded(
    spec: ModelSpec, config: Workers, *, checkpoint: str = "", device: str = "cpu"
) -> Iterator[LoadedModel]:
    """Start a worker and wait until its model is loaded; see :func:`chronotick.testing.running`.

    Raises:
        NotReady: the environment could not be built, or the model not be loaded.
    """
    with _loop_in_a_thread() as loop:
        manager = running(spec, config, checkpoint=checkpoint, device=device)
        subject = _wait(loop, manager.__aenter__())
        try:
            yield LoadedModel(subject, loop)
        finally:
            _wait(loop, manager.__aexit__(None, None, None))


@contextmanager
def _loop_in_a_thread() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="chronotick-testing", daemon=True)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _wait(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run_coroutine_threadsafe(work, loop).result()
