"""Which of the ready-made configurations suits this machine, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chronotick.config import load
from chronotick.config.schema import Config
from chronotick.config.shipped import shipped
from chronotick.daemon.machine import Machine
from chronotick.daemon.zoo import device_of, every_name, names
from chronotick.plugin.registry import Plugins
from chronotick.workers.inventory import InstalledModel, installed, known_checkpoint

PREFERENCE: Final = (
    "multi_device_full",
    "gpu_only_timesfm",
    "gpu_only_toto",
    "hybrid_chronos_ttm",
    "cpu_only_chronos",
    "cpu_only_ttm",
    "default",
)
"""Most able first. The last one needs nothing and fits everywhere."""

_DAEMON_MB: Final = 80.0
_UNKNOWN_MODEL_MB: Final = 1024.0  # a large one: recommending too little is the safer mistake
_USABLE_CORES: Final = (1.0, 2.0, 4.0)  # for one model, two or three, and more


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """One configuration on this machine.

    Attributes:
        name: of the configuration.
        path: its file.
        for_it: what is there already, in words.
        missing: what a command would bring, with that command.
        against: what this machine does not have.
    """

    name: str
    path: Path
    for_it: tuple[str, ...]
    missing: tuple[str, ...]
    against: tuple[str, ...]

    @property
    def fits(self) -> bool:
        """Whether it can be run now, as it is meant."""
        return not self.missing and not self.against


def models() -> set[str]:
    """Names of the models that the ready-made configurations use."""
    files = shipped()
    return {model for name in PREFERENCE for model in every_name(load(files[name], {}, {}).config)}


def recommend(
    machine: Machine, plugins: Plugins, environ: Mapping[str, str]
) -> tuple[Judgement, ...]:
    """Judge the ready-made configurations.

    Args:
        machine: what there is to compute with.
        plugins: what is installed.
        environ: environment variables, which may choose weights and directories.

    Returns:
        The recommended one first, then the others, most able first. One always fits.
    """
    files = shipped()
    judged = [_judge(name, files[name], machine, plugins, environ) for name in PREFERENCE]
    best = next(judgement for judgement in judged if judgement.fits)
    return (best, *(judgement for judgement in judged if judgement is not best))


def _judge(
    name: str, path: Path, machine: Machine, plugins: Plugins, environ: Mapping[str, str]
) -> Judgement:
    config = load(path, environ, {}).config
    wanted = dict.fromkeys((*names(config.short_term), *names(config.long_term)))
    absent = [model for model in wanted if model not in plugins.models]
    found = [
        installed(model, plugins, config.workers, device_of(model, config))
        for model in wanted
        if model not in absent
    ]
    workers = [item for item in found if item.spec.environment is not None]
    return Judgement(
        name=name,
        path=path,
        for_it=tuple(_described(item) for item in workers if not any(_unready(item)))
        or (() if workers or absent else ("built-in models alone: there is nothing to set up",)),
        missing=(
            *(f"{model}: not installed. Run: pip install chronotick-{model}" for model in absent),
            *(problem for item in workers for problem in _unready(item)),
        ),
        against=tuple(_shortages(machine, config, [item for item in workers if not item.server])),
    )


def _unready(item: InstalledModel) -> Iterator[str]:
    name, weights = item.spec.name, item.weights
    if item.environment.problem:
        yield f"{name}: environment {item.environment.problem}"
    if weights.problem and weights.state == "missing" and not weights.configured:
        yield f"{name}: no weights here. Run: chronotick models pull {name}"
    elif weights.problem:
        yield f"{name}: {weights.problem}"


def _described(item: InstalledModel) -> str:
    if item.server:
        return f"{item.spec.name}: computed by {item.server}"
    weights = f"weights {item.weights.name}" if item.weights.name else "no weights needed"
    return f"{item.spec.name}: environment {item.environment.state}, {weights}"


def _shortages(machine: Machine, config: Config, workers: list[InstalledModel]) -> Iterator[str]:
    placed = {item.spec.name: _gpu(device_of(item.spec.name, config), machine) for item in workers}
    for number in sorted({gpu for gpu in placed.values() if gpu is not None}):
        there = [item for item in workers if placed[item.spec.name] == number]
        yield from _gpu_shortages(machine, number, there)
    cores = _cores_for(len(workers))
    if machine.cores < cores:
        yield f"it needs {cores:g} cores, {machine.cores:g} may be used"
    memory_mb = _DAEMON_MB + sum(_memory_mb(item) for item in workers)
    if machine.memory_mb < memory_mb:
        yield f"it needs {memory_mb:.0f} MiB of memory, {machine.memory_mb:.0f} are free"


def _gpu(device: str, machine: Machine) -> int | None:
    """Number of the GPU that a model would compute on."""
    if device.startswith("cuda"):
        return int(device.partition(":")[2] or 0)
    return 0 if device == "auto" and machine.gpus else None


def _gpu_shortages(machine: Machine, number: int, items: list[InstalledModel]) -> Iterator[str]:
    """What is known of a model's memory is that of a process on a CPU: an estimate here."""
    models = ", ".join(item.spec.name for item in items)
    if number >= len(machine.gpus):
        yield f"no GPU{f' {number}' if number else ''} for {models}"
        return
    free_mb, needed_mb = machine.gpus[number], sum(_memory_mb(item) for item in items)
    if free_mb is not None and free_mb < needed_mb:
        yield (
            f"it needs about {needed_mb:.0f} MiB of GPU {number} for {models}, "
            f"{free_mb:.0f} are free"
        )


def _cores_for(models: int) -> float:
    if models == 0:
        return 0.0
    return _USABLE_CORES[0 if models == 1 else 1 if models <= 3 else 2]  # noqa: PLR2004 - see there


def _memory_mb(item: InstalledModel) -> float:
    """Of the configured weights if they are known, else of those the model has by default."""
    known = known_checkpoint(item.spec, item.weights.checkpoint) or item.spec.checkpoint
    return (known.memory_mb if known is not None else None) or _UNKNOWN_MODEL_MB
