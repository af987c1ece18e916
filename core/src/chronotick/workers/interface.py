"""What the daemon sees of a model that does not run in its own process, wherever it runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from chronotick.plugin.contract import ContextBatch, Forecast
from chronotick.workers.messages import Message
from chronotick.workers.state import WorkerState


class AnyWorker(Protocol):
    """A worker on this machine, or the connection to one on another.

    Attributes:
        name: of the model.
        identity: on the wire; empty while there is no process or connection.
    """

    name: str
    identity: str

    @property
    def state(self) -> WorkerState:
        """A snapshot of what the worker is doing."""

    def output(self, lines: int = 20) -> str:
        """Return the last lines it printed, if they can be had."""

    async def forecast(
        self, batch: ContextBatch, horizon: int, quantiles: Sequence[float], timeout_s: float
    ) -> Forecast:
        """Ask for a forecast; see :meth:`chronotick.workers.worker.Worker.forecast`."""

    async def until_idle(self) -> bool:
        """Wait until no request is in flight; true if the last one came to a result, even late."""

    def start(self) -> None:
        """Begin to live, in the background; called once."""

    async def stop(self) -> None:
        """End. From now on it answers nothing."""

    def receive(self, message: Message) -> bool:
        """Handle a message; false if it has no place here."""
