"""What a worker here and the connection to one elsewhere have in common."""

from __future__ import annotations

import asyncio
import hmac
import logging
import secrets
import statistics
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar

from chronotick.plugin.contract import ContextBatch, Forecast, ModelInfo
from chronotick.workers.errors import WorkerUnavailable
from chronotick.workers.messages import Hello, Message
from chronotick.workers.requests import Desk, Request
from chronotick.workers.restart import RestartPolicy
from chronotick.workers.state import Phase, WorkerState
from chronotick.workers.terms import Patience

_LATENCIES_KEPT: Final = 64

Partner = TypeVar("Partner")
"""What answers: a process, or a connection."""


class Counterpart(ABC, Generic[Partner]):
    """A model that is asked by messages, its phases, and what it is known for."""

    def __init__(
        self,
        name: str,
        phase: Phase,
        patience: Patience,
        policy: RestartPolicy,
        changed: Callable[[WorkerState], None],
    ) -> None:
        """Make it, with no partner yet.

        Args:
            name: of the model.
            phase: that it begins in.
            patience: how long the partner is waited for.
            policy: of the pauses between partners.
            changed: told of each change of phase.
        """
        self.name = name
        self.identity = ""
        self._patience = patience
        self._policy = policy
        self._changed = changed
        self._loop = asyncio.get_running_loop()
        self._logger = logging.getLogger(f"chronotick.workers.{name}")
        self._desk = Desk(
            worker=name,
            send=self._send,
            answered=self._on_answer,
            overdue=self._on_overdue,
            loop=self._loop,
        )
        self._latencies: deque[float] = deque(maxlen=_LATENCIES_KEPT)
        self._phase, self._detail = phase, ""
        self._partner: Partner | None = None
        self._token = ""
        self._greeted = False
        self._life: asyncio.Task[None] | None = None
        self._restarts = 0
        self._retry_at_s: float | None = None
        self._last_error = ""
        self._info: ModelInfo | None = None

    @property
    def state(self) -> WorkerState:
        """A snapshot of what it is doing."""
        tally, retry_at_s = self._desk.tally, self._retry_at_s
        return WorkerState(
            name=self.name,
            phase=self._phase,
            detail=self._detail,
            incarnation=self.identity,
            restarts=self._restarts,
            last_error=self._last_error,
            info=self._info,
            latency_median_s=statistics.median(self._latencies) if self._latencies else None,
            requests=tally.requests,
            answers=tally.answers,
            failures=tally.failures,
            deadline_misses=tally.deadline_misses,
            late_replies=tally.late_replies,
            retry_in_s=None if retry_at_s is None else max(0.0, retry_at_s - self._loop.time()),
        )

    async def forecast(
        self, batch: ContextBatch, horizon: int, quantiles: Sequence[float], timeout_s: float
    ) -> Forecast:
        """Ask for a forecast; see :meth:`chronotick.plugin.Model.forecast`.

        One request is in flight at a time. Another one waits, and gives way to a newer one.

        Raises:
            WorkerUnavailable: at once when it is not ready, or when it is lost meanwhile.
            ForecastFailed: the model raised, or its answer is no forecast.
            DeadlineMissed: no answer within ``timeout_s``.
            Superseded: a newer request took this one's place before it was sent.
        """
        if self._phase is not Phase.READY:
            words = f"{self._phase.value}: {self._detail}" if self._detail else self._phase.value
            raise WorkerUnavailable(self.name, words)
        return await self._desk.submit(batch, horizon, quantiles, timeout_s)

    async def until_idle(self) -> bool:
        """Wait until no request is in flight; true if the last one came to a result, even late."""
        return await self._desk.until_idle()

    @abstractmethod
    def _send(self, message: Message) -> bool:
        """Send to the partner; false when that is impossible now."""

    @abstractmethod
    def _give_up(self, partner: Partner, reason: str) -> None:
        """Have done with a partner, which may be gone already."""

    async def _end_life(self) -> None:
        """Stop living for good."""
        self._enter(Phase.STOPPED)
        if self._life is not None:
            self._life.cancel()
            await asyncio.gather(self._life, return_exceptions=True)
        self._desk.abandon("it is being stopped")
        self._retry_at_s = None

    def _new_identity(self) -> None:
        self.identity = f"{self.name}/{secrets.token_hex(2)}"
        self._token = secrets.token_urlsafe(24)
        self._greeted = False

    def _is_meant(self, hello: Hello) -> bool:
        """Whether a greeting answers this incarnation's."""
        return hmac.compare_digest(hello.token.encode(), self._token.encode())

    def _on_answer(self, round_trip_s: float) -> None:
        self._latencies.append(round_trip_s)
        self._policy.answered(self._loop.time())

    def _on_overdue(self, request: Request) -> None:
        self._loop.call_later(self._patience.late_s, self._lose_hope, request, self._partner)

    def _lose_hope(self, request: Request, partner: Partner | None) -> None:
        if partner is not None and self._desk.in_flight is request:
            total_s = request.timeout_s + self._patience.late_s
            self._give_up(partner, f"gave no answer for {total_s:g} s")

    def _enter(self, phase: Phase, detail: str = "") -> None:
        if self._phase is Phase.STOPPED:
            return
        changed = phase is not self._phase
        self._phase, self._detail = phase, detail
        if changed:
            self._logger.debug("%s %s", phase.value, detail)
            self._changed(self.state)
