"""Models that are loaded: each in its worker, asked in batches as large as memory allows."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from textwrap import shorten
from typing import Protocol

from chronotick.daemon.machine import available_mb
from chronotick.lab.comparing.contestants import Contestant
from chronotick.lab.reality import Reality
from chronotick.lab.scoring.columns import QUANTILES
from chronotick.models import InProcessModel
from chronotick.plugin.contract import ContextBatch, Forecast, ModelInfo
from chronotick.workers import DeadlineMissed, Phase, WorkerPool
from chronotick.workers.interface import AnyWorker
from chronotick.workers.procfs import peak_bytes
from chronotick.workers.restart import RestartRules
from chronotick.workers.sockets import sockets_directory
from chronotick.workers.terms import Patience

PATIENCE_S = 600.0  # for a batch: it is research, and slow is not hanging
POLL_S = 0.02
RULES = RestartRules(
    base_s=0.1, cap_s=0.5, crashes=32, window_s=86_400.0, proven_answers=1, proven_s=0.0
)
"""A model that dies of some windows is started again at once: it is to be known of which. It is
given up after 32 deaths without an answer between them; of 16 such windows in a batch there are
31."""
LOADS = 2  # further attempts at a model that could not be loaded
LATE = 3  # batches in a row that it did not answer in time, then it hangs
FIRST_BATCH = 16
MOST_BATCH = 512
WORTH_IT = 1.05  # times as many windows/s that a doubled batch has to bring
SHARE_OF_MEMORY = 0.5  # of what is free before it is loaded
MIB = 2**20
LONGEST_REASON = 1000  # characters


class SessionError(Exception):
    """Raised when a model cannot be loaded, or does not come back; the message says why.

    Attributes:
        hopeless: it has never answered anything.
    """

    def __init__(self, message: str, *, hopeless: bool) -> None:
        self.hopeless = hopeless
        super().__init__(message)


class Session(Protocol):
    """A model that can be asked."""

    info: ModelInfo

    def forecast(self, batch: ContextBatch, steps: int) -> Forecast:
        """Ask for a forecast of ``steps`` steps at :data:`QUANTILES`.

        Raises:
            WorkerError, ModelFailedError: there is none for this batch.
            SessionError: there will be none for any.
        """

    @property
    def peak_memory_bytes(self) -> int:
        """Largest resident memory of its process so far; 0 where it has none of its own."""

    def close(self) -> None:
        """End it."""


class LocalSession:
    """A model that comes with ChronoTick, in this process."""

    peak_memory_bytes = 0

    def __init__(self, contestant: Contestant) -> None:
        assert contestant.spec is not None  # noqa: S101 - yardsticks need no session
        self._model = InProcessModel(contestant.spec)
        self.info = self._model.info

    def forecast(self, batch: ContextBatch, steps: int) -> Forecast:
        """Ask it; see :class:`Session`."""
        return self._model.forecast(batch, steps, QUANTILES)[0]

    def close(self) -> None:
        """Do nothing."""


class WorkerSession:
    """A model in its worker.

    Raises:
        SessionError: it cannot be loaded.
    """

    def __init__(self, contestant: Contestant) -> None:
        assert contestant.spec is not None  # noqa: S101 - yardsticks need no session
        sockets = _sockets()
        self._reality = Reality()
        self._answered, self._late = False, 0
        patience = Patience(start_s=contestant.workers.start_timeout_seconds)
        self._pool = WorkerPool(contestant.workers, sockets, patience=patience, rules=RULES)
        try:
            self._worker = self._reality.run(self._added(contestant))
            self.info = self._ready()
        except BaseException:
            self.close()
            raise

    def forecast(self, batch: ContextBatch, steps: int) -> Forecast:
        """Ask it; see :class:`Session`."""
        self._ready()
        try:
            answer = self._reality.run(self._worker.forecast(batch, steps, QUANTILES, PATIENCE_S))
        except DeadlineMissed as error:
            self._late += 1
            if self._late < LATE:
                raise
            raise SessionError(reason_of(error), hopeless=not self._answered) from None
        self._answered, self._late = True, 0
        return answer

    @property
    def peak_memory_bytes(self) -> int:
        """Largest resident memory of the worker so far."""
        pid = self._worker.state.pid
        return 0 if pid is None else peak_bytes(pid)

    def close(self) -> None:
        """End the worker."""
        self._reality.run(self._pool.close())
        self._reality.close()

    async def _added(self, contestant: Contestant) -> AnyWorker:
        assert contestant.spec is not None  # noqa: S101 - see above
        return self._pool.add(contestant.spec, device=contestant.device)

    def _ready(self) -> ModelInfo:
        return self._reality.run(self._wait())

    async def _wait(self) -> ModelInfo:
        while (state := self._worker.state).phase is not Phase.READY:
            in_vain = state.info is None and state.restarts >= LOADS
            if in_vain or state.phase in {Phase.BROKEN, Phase.STOPPED}:
                words = state.last_error or state.detail
                raise SessionError(words, hopeless=not self._answered)
            await asyncio.sleep(POLL_S)
        assert state.info is not None  # noqa: S101 - it is ready
        return state.info


def _sockets() -> Path:
    try:
        return sockets_directory()
    except OSError as error:
        raise SessionError(f"no place for its socket: {error}", hopeless=True) from None


def reason_of(error: BaseException) -> str:
    """Why a window has no forecast: one line, without the model's name."""
    words = str(error).strip().splitlines() or [type(error).__name__]
    name = getattr(error, "worker", None) or getattr(error, "model", "")
    return shorten(words[0].removeprefix(f"{name}: "), LONGEST_REASON, placeholder=" ...")


def opened(contestant: Contestant) -> Session:
    """Load a model.

    Raises:
        SessionError: it cannot be loaded; the message says why.
    """
    assert contestant.spec is not None  # noqa: S101 - yardsticks need no session
    if contestant.spec.environment is None:
        return LocalSession(contestant)
    return WorkerSession(contestant)


class BatchSize:
    """How many windows a model is asked with at once: more while that pays and memory allows.

    Args:
        most: never more.
        budget_bytes: that the model's process may have; ``None``: a share of what is free now.
    """

    def __init__(self, most: int = MOST_BATCH, budget_bytes: int | None = None) -> None:
        self._most = most
        self._budget = budget_bytes or round(SHARE_OF_MEMORY * available_mb() * MIB)
        self.size = min(FIRST_BATCH, most)
        self._rate = 0.0
        self._peak = 0
        self._settled = False

    def learn(self, windows: int, seconds: float, peak_bytes_: int) -> None:
        """Take what a batch cost; of smaller ones than were to be asked only the memory counts."""
        grown, self._peak = max(peak_bytes_ - self._peak, 0), peak_bytes_
        if windows < self.size or self._settled:
            return
        rate = windows / max(seconds, 1e-9)
        if rate < self._rate * WORTH_IT:
            self._settled = True
            if rate < self._rate:
                self.size //= 2
            return
        # A doubled batch may need twice as much more as the last doubling did.
        too_large = peak_bytes_ + 2 * grown > self._budget
        if too_large or 2 * self.size > self._most:
            self._settled = True
            return
        self._rate = rate
        self.size *= 2

    def limit(self, windows: int) -> None:
        """Ask for no more at once: a larger batch failed, and its parts did not."""
        self.size, self._settled = min(self.size, windows), True


def timed(ask: Callable[[], Forecast]) -> tuple[Forecast, float]:
    """Ask, and say how many seconds it took."""
    began = time.perf_counter()
    answer = ask()
    return answer, time.perf_counter() - began
