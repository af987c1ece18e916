"""The environment one worker lives in: built when it is needed, kept from being pruned."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from functools import partial

from chronotick.config.schema import Workers
from chronotick.plugin.contract import ModelSpec
from chronotick.workers.leases import Lease
from chronotick.workers.provision import provide


class Lodging:
    """Prepares a worker's environment in a thread and holds the lease on it."""

    def __init__(self, config: Workers) -> None:
        self._config = config
        self._lease: Lease | None = None

    async def prepare(self, spec: ModelSpec, device: str, report: Callable[[str], None]) -> Lease:
        """Return what the model's worker runs on; cancelling this ends the building.

        The lease stays with the lodging: it is not the caller's to release.

        Args:
            spec: of the model.
            device: ``auto``, ``cpu`` or ``cuda[:n]``.
            report: told, in the event loop, what is being done.

        Raises:
            EnvironmentProblem: it is not built and may not, or cannot, be built.
        """
        loop, cancelled = asyncio.get_running_loop(), threading.Event()

        def progress(stage: str, message: str) -> None:
            loop.call_soon_threadsafe(report, f"{stage}: {message}" if message else stage)

        work = partial(
            provide,
            spec,
            self._config.environments,
            device,
            allowed=self._config.build,
            offline=self._config.offline,
            progress=progress,
            cancelled=cancelled,
        )
        providing = loop.run_in_executor(None, work)
        try:
            lease = await asyncio.shield(providing)
        except asyncio.CancelledError:
            cancelled.set()
            providing.add_done_callback(_release_unwanted)
            raise
        self.leave()
        self._lease = lease
        return lease

    def leave(self) -> None:
        """Allow the environment to be pruned."""
        if self._lease is not None:
            self._lease.release()
            self._lease = None


def _release_unwanted(providing: asyncio.Future[Lease]) -> None:
    """Give back what a thread took that could not be stopped in time."""
    if not providing.cancelled() and providing.exception() is None:
        providing.result().release()
