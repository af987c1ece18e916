"""All workers of a daemon: what they share, and their common end."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from chronotick.config.schema import Workers
from chronotick.plugin.contract import ModelSpec
from chronotick.workers.child import Bootstrap
from chronotick.workers.errors import UnknownWorker
from chronotick.workers.interface import AnyWorker
from chronotick.workers.launch import Launcher, WorkerProcess, worker_variables
from chronotick.workers.leases import Lease
from chronotick.workers.lodging import Lodging
from chronotick.workers.messages import Message
from chronotick.workers.restart import RestartRules
from chronotick.workers.standing import Standing
from chronotick.workers.state import WorkerState
from chronotick.workers.terms import Order, Patience, Services
from chronotick.workers.worker import Worker

if TYPE_CHECKING:
    from chronotick.workers.router import Router

logger = logging.getLogger(__name__)


class WorkerPool:
    """Runs models in processes of their own, inside the daemon's event loop.

    Until the first worker is added nothing is opened, and neither pyzmq nor msgpack is imported:
    a daemon without such models does not pay for them.
    """

    def __init__(
        self,
        config: Workers,
        runtime_dir: Path,
        *,
        patience: Patience | None = None,
        rules: RestartRules | None = None,
        on_change: Callable[[WorkerState], None] | None = None,
    ) -> None:
        """Make an empty pool.

        Args:
            config: section ``workers`` of the configuration.
            runtime_dir: where the socket's directory is made; its path must be short.
            patience: how long workers are waited for; the configuration's start timeout and
                defaults, unless given.
            rules: when dead workers are started again.
            on_change: told, in the event loop, of each change of a worker's phase.
        """
        self._config = config
        self._runtime_dir = runtime_dir
        self._patience = patience
        self._rules = rules or RestartRules()
        self._on_change = on_change
        self._workers: dict[str, AnyWorker] = {}
        self._lodgings: dict[str, Lodging] = {}
        self._launcher: Launcher | None = None
        self._router: Router | None = None

    @property
    def workers(self) -> Mapping[str, AnyWorker]:
        """The workers by name of their model."""
        return MappingProxyType(self._workers)

    def add(self, spec: ModelSpec, checkpoint: str = "", device: str = "auto") -> AnyWorker:
        """Start a worker; environment, process and weights follow in the background.

        A model that the configuration says is served by another machine is connected to instead;
        its weights and device are that machine's affair.

        Args:
            spec: of a model with an environment.
            checkpoint: hub id (``org/name[@revision]``) or directory; empty: the configuration's
                for this model, else the model's default.
            device: ``auto``, ``cpu`` or ``cuda[:n]``.

        Raises:
            ValueError: the model runs in the daemon, or has a worker already.
            OSError: the runtime directory cannot be used for a socket.
        """
        if spec.environment is None:
            raise ValueError(f"model {spec.name} runs in the daemon: it needs no worker")
        if spec.name in self._workers:
            raise ValueError(f"model {spec.name} has a worker already")
        remote = spec.name in self._config.remote
        worker = self._distant(spec) if remote else self._local(spec, checkpoint, device)
        self._workers[spec.name] = worker
        worker.start()
        return worker

    def _local(self, spec: ModelSpec, checkpoint: str, device: str) -> Worker:
        patience = self._patience or Patience(start_s=self._config.start_timeout_seconds)
        terms = self._config.for_model(spec.name)
        order = Order(
            spec=spec,
            checkpoint=_from_here(checkpoint or self._default_checkpoint(spec)),
            device=device,
            threads=terms.threads,
            memory_limit_mb=terms.memory_limit_mb,
        )
        lodging = Lodging(self._config)
        worker = Worker(order, self._services(lodging, terms), os.getpid(), patience, self._rules)
        self._lodgings[spec.name] = lodging
        return worker

    def _distant(self, spec: ModelSpec) -> AnyWorker:
        from chronotick.workers.remote import RemoteWorker, route_of

        return RemoteWorker(
            spec.name,
            route_of(spec.name, self._config),
            self._patience or Patience(),
            self._rules,
            self._on_change or (lambda _state: None),
        )

    async def remove(self, name: str) -> None:
        """Stop a worker (DRAIN, SIGTERM, SIGKILL) and forget it; then it can be added again.

        Until this returns the name is taken. When this is cancelled the worker stays, stopped or
        half stopped, and can be removed again.

        Raises:
            UnknownWorker: no model of this name has a worker.
        """
        worker = self._workers.get(name)
        if worker is None:
            raise UnknownWorker(name, self._workers)
        await worker.stop()
        if self._workers.get(name) is worker:  # nobody else removed it meanwhile
            del self._workers[name]
            lodging = self._lodgings.pop(name, None)
            if lodging is not None:
                lodging.leave()

    async def close(self) -> None:
        """Stop every worker (DRAIN, SIGTERM, SIGKILL) and close the socket."""
        await asyncio.gather(*(worker.stop() for worker in self._workers.values()))
        if self._router is not None:
            self._router.close()
        if self._launcher is not None:
            self._launcher.close()
        for lodging in self._lodgings.values():
            lodging.leave()
        self._workers.clear()
        self._lodgings.clear()
        self._router = self._launcher = None

    def _services(self, lodging: Lodging, terms: Workers) -> Services:
        from chronotick.workers.router import (
            Router,
        )  # pyzmq and msgpack, not before they are needed

        if self._router is None:
            self._router = Router(self._runtime_dir, self._receive)
            self._launcher = Launcher()
        return Services(
            prepare=lodging.prepare,
            launch=partial(self._launch, terms),
            address=self._router.address,
            send=self._router.send,
            changed=self._on_change or (lambda _state: None),
        )

    def _default_checkpoint(self, spec: ModelSpec) -> str:
        chosen = self._config.checkpoints.get(spec.name)
        if chosen:
            return chosen
        if spec.checkpoint is None:
            return ""
        revision = spec.checkpoint.revision
        return spec.checkpoint.repository + (f"@{revision}" if revision else "")

    async def _launch(
        self, terms: Workers, lease: Lease, bootstrap: Bootstrap, log: logging.Logger
    ) -> WorkerProcess:
        assert self._launcher is not None  # noqa: S101 - made with the router
        variables = worker_variables(os.environ, threads=terms.threads, offline=terms.offline)
        standing = Standing(niceness=terms.niceness, cpus=tuple(terms.cpu_affinity))
        return await self._launcher.launch(lease, bootstrap, variables, log, standing)

    def _receive(self, identity: str, message: Message) -> None:
        for worker in self._workers.values():
            if worker.identity == identity:
                if not worker.receive(message):
                    self._drop("not greeted", identity)
                return
        self._drop("unknown identity", identity)

    def _drop(self, reason: str, identity: str) -> None:
        assert self._router is not None  # noqa: S101 - it called us
        self._router.dropped[reason] += 1
        logger.debug("dropped a message from %s: %s", identity, reason)


def _from_here(checkpoint: str) -> str:
    """Make a directory absolute: the worker runs in another one."""
    path = Path(checkpoint).expanduser()
    is_path = checkpoint.startswith(("~", "./", "../")) or (checkpoint and path.is_dir())
    return str(path.absolute()) if is_path else checkpoint
