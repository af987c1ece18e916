"""A test rig, into which faults are injected: a daemon, its files, its servers, what it says."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from chronotick.client.control import ask
from chronotick.client.errors import ChronoTickError
from chronotick.client.served import ServedClock
from chronotick.lab.faults.servers import Servers
from chronotick.lab.faults.service import Service
from chronotick.lab.faults.system_clock import SteppedClock
from chronotick.shm.layout import Status

LOOK_S: Final = 0.1
ANSWER_S: Final = 2.0
PENDING_ROWS: Final = 1000
"""So many rows wait for the history at most when it can be written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonReport:
    """What a daemon said of itself.

    Attributes:
        at_s: when (monotonic).
        status: the answer to ``status``; empty: it did not answer.
        models: the answer to ``models``.
        sources: the answer to ``sources``.
    """

    at_s: float = 0.0
    status: Mapping[str, Any] = field(default_factory=dict)
    models: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    sources: Sequence[Mapping[str, Any]] = ()

    @property
    def workers(self) -> dict[str, int]:
        """Processes of the models' workers, by model."""
        placed = {name: str(told.get("where", "")) for name, told in self.models.items()}
        return {
            name: int(where.split()[1])
            for name, where in placed.items()
            if where.startswith("worker ")
        }

    @property
    def writes(self) -> bool:
        """Whether the history can be written."""
        history = self.status.get("history", {})
        return not history.get("problem", "-") and history.get("pending", 0) < PENDING_ROWS


class StatusPoller:
    """Asks the daemon how it is, some times a second, in a thread of its own.

    Args:
        control: its socket.

    Attributes:
        said: the latest answers.
    """

    def __init__(self, control: Path) -> None:
        self.latest = DaemonReport()
        self._control, self._ended = control, threading.Event()
        self._thread = threading.Thread(target=self._run, name="poller", daemon=True)

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def close(self) -> None:
        """Ask no more."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(LOOK_S):
            now_s = time.monotonic()
            try:
                status, models, sources = (
                    ask(method, socket_path=self._control, timeout=ANSWER_S)
                    for method in ("status", "models", "sources")
                )
                self.latest = DaemonReport(
                    at_s=now_s, status=status, models=models, sources=sources
                )
            except ChronoTickError:
                self.latest = DaemonReport(at_s=now_s)


@dataclass(frozen=True, kw_only=True)
class Rig:
    """Everything that faults are injected into.

    Attributes:
        directory: of record, control socket and logs.
        history: the database.
        disk: the small file system it lies on, if it does.
        service: the daemon.
        servers: its time servers.
        poller: what the daemon says.
        system_clock: what the daemon takes for CLOCK_REALTIME, if that can be moved.
        memory_hog: a model whose worker takes memory up to its limit, again and again.
    """

    directory: Path
    history: Path
    disk: Path | None
    service: Service
    servers: Servers
    poller: StatusPoller
    system_clock: SteppedClock | None
    memory_hog: str

    @property
    def record(self) -> Path:
        """The record's file."""
        return self.directory / "record"

    @property
    def control(self) -> Path:
        """The control socket."""
        return self.directory / "control.sock"

    @property
    def workers(self) -> dict[str, int]:
        """Processes of workers, by model; without the memory hog's."""
        return {n: pid for n, pid in self.poller.latest.workers.items() if n != self.memory_hog}

    @property
    def falseticker_is_found(self) -> bool:
        """Whether the daemon takes the server that the others call ``x`` for one."""
        address = self.servers.falseticker.address
        told = self.poller.latest.sources
        return any(address in {each["id"], each["name"]} and each["reason"] == "x" for each in told)

    @property
    def serves(self) -> bool:
        """Whether readers get the time of a synchronised clock."""
        try:
            return ServedClock(self.record).now().status is Status.SYNCHRONISED
        except ChronoTickError:
            return False

    def is_well(self, since_s: float) -> bool:
        """Whether the clock is as it was before a fault.

        Args:
            since_s: what the daemon said before this (monotonic) does not count.
        """
        said = self.poller.latest
        answers = said.at_s > since_s and said.status.get("status") == "synchronised"
        return answers and self.serves

    def all_work(self) -> bool:
        """Whether every worker answers."""
        models = self.poller.latest.models
        return bool(models) and all(
            told.get("state") == "ready" for name, told in models.items() if name != self.memory_hog
        )
