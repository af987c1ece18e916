"""Who is compared, and what exactly that is: two runs of the same name may be two models."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from chronotick.config.schema import Workers
from chronotick.lab.comparing.provenance import code_of, own_code
from chronotick.lab.comparing.yardsticks import YARDSTICKS
from chronotick.plugin.contract import CURRENT_INTERPRETER, ModelSpec
from chronotick.plugin.registry import Plugins
from chronotick.plugin.weights import locate
from chronotick.workers.inventory import InstalledModel, WeightsStatus, installed

ALWAYS = ("hold", "line")  # models that cost nothing
OWN = "chronotick "  # origin of the models that come with ChronoTick
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """A model of a comparison.

    Attributes:
        name: of the model.
        spec: as its plugin describes it; ``None`` for yardsticks.
        identity: everything that its forecasts depend on, of JSON types.
        device: it computes on.
        workers: how its process is run.
    """

    name: str
    spec: ModelSpec | None
    identity: Mapping[str, Any]
    device: str = "cpu"
    workers: Workers = field(default_factory=Workers)

    @property
    def is_yardstick(self) -> bool:
        """Whether it is computed from the windows alone."""
        return self.spec is None


def contestants(
    names: Sequence[str], plugins: Plugins, workers: Workers, device: str = "auto"
) -> list[Contestant]:
    """Find models by name, the yardsticks first and always.

    Args:
        names: models that are wanted.
        plugins: what is installed.
        workers: where environments are, which weights were chosen, threads.
        device: where models compute.

    Raises:
        UnknownModel: no plugin provides one of them.
    """
    here = _from_here(workers)
    return [
        _yardstick(name) if name in YARDSTICKS else _model(name, plugins, here, device)
        for name in everyone(names)
    ]


def _from_here(workers: Workers) -> Workers:
    """Directories of weights made absolute: jobs may run in another working directory."""
    checkpoints = {
        model: str(Path(weights).absolute()) if Path(weights).is_dir() else weights
        for model, weights in workers.checkpoints.items()
    }
    return workers.model_copy(update={"checkpoints": checkpoints})


def everyone(names: Iterable[str]) -> tuple[str, ...]:
    """Names of all that are compared where these are wanted, each once."""
    return tuple(dict.fromkeys((*YARDSTICKS, *ALWAYS, *names)))


def _yardstick(name: str) -> Contestant:
    return Contestant(name=name, spec=None, identity=_own_identity(name))


def _own_identity(name: str) -> dict[str, Any]:
    from importlib.metadata import version

    return {
        "model": name,
        "plugin": "chronotick",
        "version": version("chronotick"),
        "code": own_code(),
    }


def _model(name: str, plugins: Plugins, workers: Workers, device: str) -> Contestant:
    found = _found(name, plugins, workers, device)
    spec = found.spec
    if spec.environment is None and not found.origin.startswith(OWN):
        # Others' code might hang, and here nothing could end it.
        spec = replace(spec, environment=CURRENT_INTERPRETER)
    return Contestant(
        name=name,
        spec=spec,
        identity=_identity(found, workers, device),
        device=device,
        workers=workers,
    )


def _found(name: str, plugins: Plugins, workers: Workers, device: str) -> InstalledModel:
    """Look a model up. Weights that only the hub has are downloaded: what they are is who it is."""
    found = installed(name, plugins, workers, device)
    if found.weights.state != "missing" or workers.offline:
        return found
    with suppress(FileNotFoundError, ValueError):  # its worker will say the same, in its rows
        locate(found.weights.checkpoint, name)
    return installed(name, plugins, workers, device)


def _identity(found: InstalledModel, workers: Workers, device: str) -> dict[str, Any]:
    plugin, _, version = found.origin.partition(" ")
    environment = found.environment
    directory = found.weights.directory
    return {
        "model": found.spec.name,
        "plugin": plugin,
        "version": version,
        "code": own_code() if found.origin.startswith(OWN) else code_of(found.spec.worker),
        "environment": environment.directory.name if environment.directory else environment.state,
        "weights": _weights(found.weights),
        "weights_sha256": "" if directory is None else digest_of(directory),
        "device": device,
        "threads": workers.for_model(found.spec.name).threads,
        "server": found.server,
        "trained_on": list(found.spec.trained_on),
        "licence": found.weights.licence or found.spec.licence,
    }


def _weights(weights: WeightsStatus) -> str:
    """Name of weights, the same wherever they lie: what a directory holds is told by its hash."""
    by_state = {"cached": weights.name, "shipped": weights.name, "none": weights.checkpoint}
    return by_state.get(weights.state, "")


def digest_of(directory: Path) -> str:
    """Hash the files of a directory, names included: the same weights wherever they lie."""
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    stamp = tuple((str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files)
    return _digest_of(directory, stamp)


@lru_cache(maxsize=64)
def _digest_of(directory: Path, stamp: tuple[tuple[str, int, int], ...]) -> str:
    total = hashlib.sha256()
    for path, size, _modified in stamp:
        total.update(f"{Path(path).relative_to(directory)}\0{size}\0".encode())
        with Path(path).open("rb") as file:
            while chunk := file.read(_CHUNK):
                total.update(chunk)
    return total.hexdigest()
