"""The models a configuration asks for: those that run here and those that need a worker."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chronotick.config.schema import Config, Predictor
from chronotick.fusion.fuse import BASELINE
from chronotick.models import InProcessModel
from chronotick.plugin.contract import ModelSpec
from chronotick.plugin.registry import Plugins
from chronotick.workers.state import Phase

if TYPE_CHECKING:
    from chronotick.workers.supervisor import WorkerPool
    from chronotick.workers.worker import Worker

_log = logging.getLogger("chronotick.models")


@dataclass(frozen=True, slots=True)
class RemoteModel:
    """A model and the worker it runs in."""

    spec: ModelSpec
    worker: Worker


class Zoo:
    """Keeps every model that a prediction loop uses, each once.

    Args:
        plugins: what is installed.
        runtime_dir: where the workers' socket goes.
    """

    def __init__(self, plugins: Plugins, runtime_dir: Path) -> None:
        self._plugins = plugins
        self._runtime_dir = runtime_dir
        self._local: dict[str, InProcessModel] = {}
        self._remote: dict[str, RemoteModel] = {}
        self._pool: WorkerPool | None = None

    async def use(self, config: Config) -> None:
        """Start what a configuration asks for and stop what it does not ask for any more.

        Raises:
            UnknownModel: no plugin provides a model; nothing is changed.
        """
        specs = wanted(config, self._plugins)
        for name in self._remote.keys() - specs.keys():
            del self._remote[name]
            await self._started_pool(config).remove(name)
        for name, spec in specs.items():
            if spec.environment is None:
                self._local.setdefault(name, InProcessModel(spec))
            elif name not in self._remote:
                worker = self._started_pool(config).add(spec, device=_device(name, config))
                self._remote[name] = RemoteModel(spec, worker)

    def local(self, predictor: Predictor) -> list[InProcessModel]:
        """Models of a loop that run here."""
        return [self._local[name] for name in names(predictor) if name in self._local]

    def remote(self, predictor: Predictor) -> list[RemoteModel]:
        """Models of a loop that run in workers."""
        return [self._remote[name] for name in names(predictor) if name in self._remote]

    @property
    def ready(self) -> bool:
        """Whether every model answers."""
        return all(m.worker.state.phase is Phase.READY for m in self._remote.values())

    def report(self) -> dict[str, dict[str, Any]]:
        """What each model is doing, by name."""
        local = {name: _local_report(model) for name, model in self._local.items()}
        return local | {name: _remote_report(model) for name, model in self._remote.items()}

    async def close(self) -> None:
        """End all workers."""
        if self._pool is not None:
            await self._pool.close()

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


def wanted(config: Config, plugins: Plugins) -> Mapping[str, ModelSpec]:
    """Specifications of all models a configuration names.

    Raises:
        UnknownModel: no plugin provides one of them.
    """
    every: Iterable[str] = (*names(config.short_term), *names(config.long_term))
    return {name: plugins.find(name) for name in every}


def _device(name: str, config: Config) -> str:
    loops = (config.short_term, config.long_term)
    return next(loop.device for loop in loops if name in names(loop))


def _local_report(model: InProcessModel) -> dict[str, Any]:
    return {"state": "ready", "where": "in process", "title": model.spec.title}


def _remote_report(model: RemoteModel) -> dict[str, Any]:
    state = model.worker.state
    return {
        "state": state.phase.value,
        "where": f"worker {state.pid}" if state.pid else "worker",
        "title": model.spec.title,
        "detail": state.detail,
        "checkpoint": state.info.checkpoint if state.info else None,
        "device": state.info.device if state.info else None,
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
