"""A model in its real environment and process, for the length of a ``with`` block."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from chronotick.config.schema import Workers
from chronotick.plugin.contract import ModelSpec
from chronotick.testing.checks import Subject
from chronotick.workers.sockets import sockets_directory
from chronotick.workers.state import Phase
from chronotick.workers.supervisor import WorkerPool

_SETTLED: Final = frozenset({Phase.READY, Phase.BROKEN, Phase.BACKOFF})


class NotReady(RuntimeError):  # noqa: N818 - says what the model is
    """Raised when a model did not load; the message is what its worker says."""


@asynccontextmanager
async def running(
    spec: ModelSpec, config: Workers, *, checkpoint: str = "", device: str = "cpu"
) -> AsyncIterator[Subject]:
    """Start a worker, wait until its model is loaded, and end it afterwards.

    Args:
        spec: of a model with an environment.
        config: where environments are, whether they may be built, threads.
        checkpoint: hub id or directory; empty: the configuration's or the model's default.
        device: ``auto``, ``cpu`` or ``cuda[:n]``.

    Raises:
        NotReady: the environment could not be built, or the model not be loaded.
    """
    here = config.model_copy(update={"remote": {}})  # what is tried is what this machine does
    pool = WorkerPool(here, sockets_directory())
    try:
        worker = pool.add(spec, checkpoint, device)
        while worker.state.phase not in _SETTLED:  # noqa: ASYNC110 - building sets no event
            await asyncio.sleep(0.02)
        if worker.state.phase is not Phase.READY:
            raise NotReady(worker.state.last_error)
        yield Subject(spec, worker)
    finally:
        await pool.close()
