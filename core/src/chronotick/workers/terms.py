"""The terms a worker lives on: what it runs, what it is given, how long it is waited for."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from chronotick.plugin.contract import ModelSpec
from chronotick.workers.child import Bootstrap
from chronotick.workers.launch import WorkerProcess
from chronotick.workers.leases import Lease
from chronotick.workers.messages import Message
from chronotick.workers.state import WorkerState


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a worker is waited for, in seconds.

    Attributes:
        start_s: starting or loading without any sign of progress.
        late_s: an answer after its deadline, before the process is stopped.
        drain_s: the end after DRAIN, before SIGTERM.
        term_s: the end after SIGTERM, before SIGKILL.
        poll_s: between looks at memory and progress.
        silent_s: a server on another machine that says nothing.
    """

    start_s: float = 120.0
    late_s: float = 30.0  # slow is not hanging: how slow is worth knowing, and loading costs more
    drain_s: float = 1.0
    term_s: float = 2.0
    poll_s: float = 1.0
    silent_s: float = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a worker is to run."""

    spec: ModelSpec
    checkpoint: str
    device: str
    threads: int
    memory_limit_mb: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What a worker needs of its pool.

    Attributes:
        prepare: returns what the worker runs on, building its environment if need be; reports
            stages in words.
        launch: starts a process.
        address: of the ROUTER.
        send: sends to an identity; false when it is not connected.
        changed: told of each change of phase.
    """

    prepare: Callable[[ModelSpec, str, Callable[[str], None]], Awaitable[Lease]]
    launch: Callable[[Lease, Bootstrap, logging.Logger], Awaitable[WorkerProcess]]
    address: str
    send: Callable[[str, Message], bool]
    changed: Callable[[WorkerState], None]


@dataclass(frozen=True, slots=True)
class Ending:
    """Why a life ended, in words, and whether another one could be better."""

    reason: str
    retryable: bool = True
