"""What a worker is doing: the snapshot that status, metrics and logs are made of."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from chronotick.plugin.contract import ModelInfo


class Phase(Enum):
    """The stages of a worker's life."""

    BUILDING = "building"  # its environment is being built
    CONNECTING = "connecting"  # a server on another machine is being connected to
    STARTING = "starting"  # the process runs and has not said HELLO
    LOADING = "loading"  # the model is being loaded
    READY = "ready"  # it answers forecasts
    BACKOFF = "backoff"  # it died and will be started again soon
    BROKEN = "broken"  # it failed too often, or in a way that trying again will not mend
    STOPPED = "stopped"  # it was told to end


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerState:
    """One worker at one moment.

    Attributes:
        name: of the model.
        phase: what it is doing.
        detail: words on the phase: the stage of building or loading, when it is tried again.
        pid: of its process, ``None`` while there is none.
        incarnation: identity on the wire, new for each process, e.g. ``chronos/3f9a``.
        restarts: how often it was started again.
        last_error: why it ended last, in words; empty when it never did.
        info: what the model said when it was loaded last.
        rss_bytes: memory in use (resident), ``None`` while there is no process.
        latency_median_s: from request to answer over the last answers, ``None`` before the first.
        requests, answers, failures, deadline_misses: counts since the daemon started.
        late_replies: answers that came after their deadline, and were dropped.
        retry_in_s: seconds until it is started again, in phases backoff and broken.
        address: of the server it runs at, ``tcp://host:port``; empty: on this machine.
    """

    name: str
    phase: Phase
    detail: str = ""
    pid: int | None = None
    incarnation: str = ""
    restarts: int = 0
    last_error: str = ""
    info: ModelInfo | None = None
    rss_bytes: int | None = None
    latency_median_s: float | None = None
    requests: int = 0
    answers: int = 0
    failures: int = 0
    deadline_misses: int = 0
    late_replies: int = 0
    retry_in_s: float | None = None
    address: str = ""

    @property
    def where(self) -> str:
        """Where the model runs, for people."""
        if self.address:
            return self.address
        return f"worker {self.pid}" if self.pid else "worker"
