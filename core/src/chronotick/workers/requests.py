"""One request in flight per worker, one waiting: old contexts are never queued."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count

from chronotick.plugin.answers import InvalidForecast, check_forecast
from chronotick.plugin.contract import ContextBatch, Forecast
from chronotick.workers.errors import (
    DeadlineMissed,
    ForecastFailed,
    Superseded,
    WorkerUnavailable,
)
from chronotick.workers.messages import (
    Cancel,
    Failed,
    ForecastRequest,
    Message,
    Result,
    forecast_of,
    request_of,
)


@dataclass(slots=True, kw_only=True, eq=False)
class Request:
    """A forecast that was asked for. Times are those of the event loop's clock, in seconds."""

    batch: ContextBatch
    horizon: int
    quantiles: Sequence[float]
    timeout_s: float
    deadline_s: float
    answer: asyncio.Future[Forecast]
    id: int = 0
    sent_s: float = 0.0
    timer: asyncio.TimerHandle | None = None

    def fail(self, error: Exception) -> None:
        """End with an error, unless it has ended."""
        if self.timer is not None:
            self.timer.cancel()
        if not self.answer.done():
            self.answer.set_exception(error)

    def succeed(self, forecast: Forecast) -> None:
        """End with an answer, unless it has ended."""
        if self.timer is not None:
            self.timer.cancel()
        if not self.answer.done():
            self.answer.set_result(forecast)

    def message(self, now_s: float) -> ForecastRequest:
        """Return the request as it is sent at ``now_s``: the deadline is what remains."""
        return request_of(
            self.batch,
            request_id=self.id,
            deadline_ns=max(0, int((self.deadline_s - now_s) * 1e9)),
            horizon=self.horizon,
            quantiles=self.quantiles,
        )


@dataclass(slots=True)
class Tally:
    """Counts since the daemon started."""

    requests: int = 0
    answers: int = 0
    failures: int = 0
    deadline_misses: int = 0
    late_replies: int = 0


@dataclass(slots=True, kw_only=True, eq=False)
class Desk:
    """Where one worker's requests wait, and its answers find them.

    Attributes:
        worker: name of the model, for messages.
        send: sends to the worker's process; false when it is not there.
        answered: called with the round trip in seconds after each good answer.
        overdue: called when the deadline of the request in flight has passed.
    """

    worker: str
    send: Callable[[Message], bool]
    answered: Callable[[float], None]
    overdue: Callable[[Request], None]
    loop: asyncio.AbstractEventLoop
    tally: Tally = field(default_factory=Tally)
    in_flight: Request | None = None
    waiting: Request | None = None
    _resulted: bool = False
    _idlers: list[asyncio.Future[bool]] = field(default_factory=list)
    _ids: count[int] = field(default_factory=lambda: count(1))

    def submit(
        self, batch: ContextBatch, horizon: int, quantiles: Sequence[float], timeout_s: float
    ) -> asyncio.Future[Forecast]:
        """Send a request, or let it wait in place of an older one."""
        now_s = self.loop.time()
        request = Request(
            batch=batch,
            horizon=horizon,
            quantiles=quantiles,
            timeout_s=timeout_s,
            deadline_s=now_s + timeout_s,
            answer=self.loop.create_future(),
        )
        if self.in_flight is None:
            self._send(request, now_s)
        else:
            if self.waiting is not None:
                self.waiting.fail(Superseded(self.worker, "a newer context took its place"))
            self.waiting = request
        # What can be done while the worker computes comes after sending.
        self.tally.requests += 1
        if not request.answer.done():
            request.timer = self.loop.call_at(request.deadline_s, self._expire, request)
        return request.answer

    def receive(self, message: Result | Failed) -> None:
        """Match an answer with its request; one that nobody waits for is counted and dropped."""
        request = self.in_flight
        if request is None or message.id != request.id:
            self.tally.late_replies += 1
            return
        self.in_flight, self._resulted = None, isinstance(message, Result)
        if request.answer.done():  # its deadline passed, or the caller went away
            self.tally.late_replies += 1
        elif isinstance(message, Failed):
            self.tally.failures += 1
            request.fail(
                ForecastFailed(
                    self.worker, message.message, kind=message.kind, traceback=message.traceback
                )
            )
        else:
            self._accept(request, message)
        self._send_waiting()
        if self.in_flight is None:
            self._tell_idlers()

    async def until_idle(self) -> bool:
        """Wait until nothing is in flight; true if the last request came to a result."""
        if self.in_flight is None:
            return self._resulted
        idle: asyncio.Future[bool] = self.loop.create_future()
        self._idlers.append(idle)
        return await idle

    def abandon(self, reason: str, *, crashed: bool = False) -> None:
        """Fail everything at once: the process is gone; ``crashed`` if by its own doing."""
        for request in (self.in_flight, self.waiting):
            if request is not None:
                request.fail(WorkerUnavailable(self.worker, reason, crashed=crashed))
        self.in_flight = self.waiting = None
        self._resulted = False
        self._tell_idlers()

    def _accept(self, request: Request, result: Result) -> None:
        try:
            forecast = check_forecast(
                forecast_of(result),
                len(request.batch.values),
                request.horizon,
                len(request.quantiles),
            )
        except (InvalidForecast, ValueError) as error:
            self.tally.failures += 1
            request.fail(ForecastFailed(self.worker, str(error), kind="invalid"))
            return
        self.tally.answers += 1
        self.answered(self.loop.time() - request.sent_s)
        request.succeed(forecast)

    def _send(self, request: Request, now_s: float) -> None:
        request.id = next(self._ids)
        request.sent_s = now_s
        if self.send(request.message(now_s)):
            self.in_flight = request
        else:
            request.fail(WorkerUnavailable(self.worker, "its connection is gone"))

    def _send_waiting(self) -> None:
        request, self.waiting = self.waiting, None
        if request is not None and not request.answer.done():
            self._send(request, self.loop.time())

    def _tell_idlers(self) -> None:
        idlers, self._idlers = self._idlers, []
        for idle in idlers:
            if not idle.done():  # its waiter may have been cancelled
                idle.set_result(self._resulted)

    def _expire(self, request: Request) -> None:
        if not request.answer.done():
            self.tally.deadline_misses += 1
            request.fail(DeadlineMissed(self.worker, f"no answer within {request.timeout_s:g} s"))
        if request is self.waiting:
            self.waiting = None
        elif request is self.in_flight:
            self.send(Cancel(id=request.id))
            self.overdue(request)
