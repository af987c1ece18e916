"""The models a configuration asks for: those that run here and those that need a worker."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chronotick.config.schema import Config, Predictor
from chronotick.daemon.ledger import Ledger
from chronotick.daemon.pace import Pace
from chronotick.fusion import BASELINE
from chronotick.models import Baseline, InProcessModel
from chronotick.plugin.contract import CURRENT_INTERPRETER, ModelInfo, ModelSpec
from chronotick.plugin.registry import Plugins, UnknownModel
from chronotick.workers.state import Phase

if TYPE_CHECKING:
    from chronotick.workers.interface import AnyWorker
    from chronotick.workers.supervisor import WorkerPool

OWN = "chronotick "  # origin of the built-in models: distribution and version

_log = logging.getLogger("chronotick.models")


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A model that runs here, and what asking it was like."""

    model: InProcessModel
    ledger: Ledger = field(default_factory=Ledger)

    @property
    def spec(self) -> ModelSpec:
        """Its specification."""
        return self.model.spec


@dataclass(frozen=True, slots=True)
class RemoteModel:
    """A model and the worker it runs in.

    Attributes:
        spec: its specification.
        worker: its worker.
        pace: when it may be asked again.
        turn: held by the loop that asks it; both loops ask the same worker.
        ledger: what asking it was like.
        remark: what is not as it was configured; may be empty.
    """

    spec: ModelSpec
    worker: AnyWorker
    pace: Pace
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    ledger: Ledger = field(default_factory=Ledger)
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Book:
    """A model, what it said when it was loaded (``None``: not yet), and what asking it was like."""

    spec: ModelSpec
    info: ModelInfo | None
    ledger: Ledger


class Zoo:
    """Keeps every model that a prediction loop uses, each once.

    Args:
        plugins: what is installed.
        runtime_dir: where the workers' socket goes.
    """

    def __init__(self, plugins: Plugins, runtime_dir: Path) -> None:
        self._plugins = plugins
        self._runtime_dir = runtime_dir
        self._local: dict[str, LocalModel] = {}
        self._broken: dict[str, str] = {}
        self._awaited: set[str] = set()  # names that a plugin may yet provide
        self._remote: dict[str, RemoteModel] = {}
        self._seen: dict[str, Phase] = {}
        self._pool: WorkerPool | None = None

    async def use(self, config: Config) -> None:
        """Start what a configuration asks for and stop what it does not ask for any more.

        A model that cannot even be started is reported as broken; the others go on.

        Raises:
            UnknownModel: no plugin provides a model; nothing is changed.
        """
        specs = wanted(config, self._plugins)
        for name in self._remote.keys() - specs.keys():
            del self._remote[name]
            await self._started_pool(config).remove(name)
        self._local = {name: self._local[name] for name in self._local.keys() & specs.keys()}
        self._broken = {}
        for name in specs.keys() - self._local.keys() - self._remote.keys():
            self._try_to_start(specs[name], config)
        self._awaited = every_name(config) - specs.keys()

    def learn(self, plugins: Plugins, config: Config) -> bool:
        """Take over what plugins have told since; models that were waited for are started.

        Returns:
            Whether any was.
        """
        self._plugins = plugins
        known = sorted(self._awaited & plugins.models.keys())
        for name in known:
            self._try_to_start(plugins.models[name], config)
        self._awaited -= set(known)
        if not plugins.pending:
            self._broken |= {name: _unknown(name, plugins) for name in self._awaited}
            self._awaited = set()
        return bool(known)

    def local(self, predictor: Predictor) -> list[LocalModel]:
        """Models of a loop that run here."""
        return [self._local[name] for name in names(predictor) if name in self._local]

    def remote(self, predictor: Predictor) -> list[RemoteModel]:
        """Models of a loop that run in workers."""
        return [self._remote[name] for name in names(predictor) if name in self._remote]

    def look(self) -> None:
        """Say in the log which worker is in another state than when this was last called."""
        phases = {name: model.worker.state for name, model in self._remote.items()}
        for name, state in phases.items():
            before = self._seen.get(name)
            if before is not None and state.phase is not before:
                why = f": {state.detail}" if state.detail else ""
                _log.info("%s: %s -> %s%s", name, before.value, state.phase.value, why)
        self._seen = {name: state.phase for name, state in phases.items()}

    @property
    def ready(self) -> bool:
        """Whether every model answers."""
        ready = all(m.worker.state.phase is Phase.READY for m in self._remote.values())
        return ready and not self._broken and not self._awaited

    @property
    def books(self) -> dict[str, Book]:
        """What asking each model that was started was like."""
        local = {n: Book(m.spec, m.model.info, m.ledger) for n, m in self._local.items()}
        remote = {n: Book(m.spec, m.worker.state.info, m.ledger) for n, m in self._remote.items()}
        return local | remote

    @property
    def remarks(self) -> dict[str, str]:
        """What is not as it was configured, by model."""
        return {name: model.remark for name, model in self._remote.items() if model.remark}

    def report(self) -> dict[str, dict[str, Any]]:
        """What each model is doing, by name."""
        broken = {name: _broken_report(error) for name, error in self._broken.items()}
        local = {name: _local_report(model) for name, model in self._local.items()}
        remote = {name: _remote_report(model) for name, model in self._remote.items()}
        awaited = {name: _awaited_report(self._plugins) for name in self._awaited}
        return local | remote | broken | awaited

    async def close(self) -> None:
        """End all workers."""
        if self._pool is not None:
            await self._pool.close()

    def _try_to_start(self, spec: ModelSpec, config: Config) -> None:
        try:
            self._start(spec, config)
        except Exception as error:  # noqa: BLE001 - one model must never stop the others
            _log.exception("%s cannot be used", spec.name)
            self._broken[spec.name] = f"{type(error).__name__}: {error}"

    def _start(self, spec: ModelSpec, config: Config) -> None:
        if spec.environment is None and self._plugins.origins.get(spec.name, "").startswith(OWN):
            kind = Baseline if spec.name == BASELINE else InProcessModel
            self._local[spec.name] = LocalModel(kind(spec))
            return
        if spec.environment is None:
            # Others' code might hang, and here nothing could end it.
            spec = replace(spec, environment=CURRENT_INTERPRETER)
        # What another machine computes costs this one nothing: no rest is needed.
        elsewhere = spec.name in config.workers.remote
        device = device_of(spec.name, config)
        remark = "" if elsewhere else _without_gpu(device)
        if remark:
            _log.warning("%s: %s", spec.name, remark)
        worker = self._started_pool(config).add(spec, device="cpu" if remark else device)
        terms = config.workers.for_model(spec.name)
        duty = terms.threads if elsewhere else terms.max_duty
        self._remote[spec.name] = RemoteModel(
            spec, worker, Pace(duty, terms.threads), remark=remark
        )

    def _started_pool(self, config: Config) -> WorkerPool:
        if self._pool is None:
            from chronotick.workers.supervisor import WorkerPool

            self._pool = WorkerPool(config.workers, self._runtime_dir)
        return self._pool


def names(predictor: Predictor) -> list[str]:
    """Models of a loop, the baseline first and always; none of a loop that is off."""
    if not predictor.enabled:
        return []
    return list(dict.fromkeys([BASELINE, *predictor.models]))


def every_name(config: Config) -> set[str]:
    """Names of the models of both loops."""
    return {*names(config.short_term), *names(config.long_term)}


def wanted(config: Config, plugins: Plugins) -> Mapping[str, ModelSpec]:
    """Specifications of all models a configuration names.

    While plugins are still being read, names that are not known yet are left out.

    Raises:
        UnknownModel: no plugin provides one of them.
    """
    every: Iterable[str] = dict.fromkeys((*names(config.short_term), *names(config.long_term)))
    if plugins.pending:
        return {name: plugins.models[name] for name in every if name in plugins.models}
    return {name: plugins.find(name) for name in every}


def device_of(name: str, config: Config) -> str:
    """Where a model computes: as its own worker's terms say, else as the first loop that has it."""
    own = config.workers.overrides.get(name)
    if own is not None and own.device is not None:
        return own.device
    loops = (config.short_term, config.long_term)
    return next(loop.device for loop in loops if name in names(loop))


def _unknown(name: str, plugins: Plugins) -> str:
    try:
        plugins.find(name)
    except UnknownModel as error:
        return str(error)
    return ""


def _without_gpu(device: str) -> str:
    """Say that a model computes on the CPU though a GPU was configured; empty where it does not."""
    if not device.startswith("cuda"):
        return ""
    from chronotick.workers.recipes import device_kind  # not before it is needed: it is large

    if device_kind(device) == "cuda":
        return ""
    return f"device {device} is configured, but there is no NVIDIA driver here: it uses the CPU"


def _local_report(local: LocalModel) -> dict[str, Any]:
    model = local.model
    return {
        "state": "ready",
        "where": "in process",
        "title": model.spec.title,
        "last_error": model.last_error,
        "latency_median_ms": _milliseconds(model.latency_median_s),
        "requests": model.requests,
        "answers": model.answers,
        "failures": model.requests - model.answers,
    }


def _broken_report(error: str) -> dict[str, Any]:
    return {"state": "broken", "where": "-", "title": "", "last_error": error}


def _awaited_report(plugins: Plugins) -> dict[str, Any]:
    detail = f"no plugin read so far provides it; being read: {', '.join(plugins.pending)}"
    return {"state": "waiting", "where": "-", "title": "", "detail": detail, "last_error": ""}


def _remote_report(model: RemoteModel) -> dict[str, Any]:
    state = model.worker.state
    return {
        "state": state.phase.value,
        "where": state.where,
        "title": model.spec.title,
        "detail": state.detail,
        "checkpoint": state.info.checkpoint if state.info else None,
        "device": state.info.device if state.info else None,
        "remark": model.remark,
        "restarts": state.restarts,
        "last_error": state.last_error,
        "memory_mb": round(state.rss_bytes / 2**20, 1) if state.rss_bytes else None,
        "latency_median_ms": _milliseconds(state.latency_median_s),
        "requests": state.requests,
        "answers": state.answers,
        "failures": state.failures,
        "deadline_misses": state.deadline_misses,
    }


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1e3, 3)
