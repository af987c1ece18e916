"""What is installed, and what of it is ready: models with their environments and weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Literal

from chronotick.config.schema import Workers
from chronotick.hub import entry, size_bytes
from chronotick.plugin.contract import CURRENT_INTERPRETER, Checkpoint, ModelSpec
from chronotick.plugin.registry import Plugins
from chronotick.plugin.weights import find, is_shipped, looks_like_path, missing
from chronotick.workers.environments import is_complete
from chronotick.workers.errors import EnvironmentProblem
from chronotick.workers.recipes import plan
from chronotick.workers.uv import Uv, UvFailed, find_uv

EnvironmentState = Literal["own", "built", "not built", "no lock", "no python", "remote"]
WeightsState = Literal["none", "directory", "shipped", "cached", "missing", "remote"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentStatus:
    """A model's environment.

    Attributes:
        state: ``own`` is the daemon's own interpreter, ``remote`` the business of another machine.
        directory: where it is, or would be; ``None`` where that is not known.
        python: interpreter it is built with; empty where that is not known.
        problem: why it cannot be used, with what to do; empty when it can.
    """

    state: EnvironmentState
    directory: Path | None = None
    python: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsStatus:
    """The weights a worker would load now.

    Attributes:
        state: ``none`` for models without weights, ``shipped`` for those that come with a plugin,
            ``remote`` for those that another machine chose.
        checkpoint: directory, package and directory, or hub id, as configured or by default.
        configured: the configuration chose it.
        name: what it is exactly: a directory, package and directory, or hub id and commit; empty
            when missing.
        directory: that holds it; ``None`` when missing.
        size_bytes: of its files; ``None`` when missing.
        licence: of the weights; empty where the plugin does not know them.
        imported_from: directory they were imported from; empty when they were downloaded.
        problem: what is missing, where it was looked for and what brings it.
    """

    state: WeightsState
    checkpoint: str = ""
    configured: bool = False
    name: str = ""
    directory: Path | None = None
    size_bytes: int | None = None
    licence: str = ""
    imported_from: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledModel:
    """A model, and what it needs to run.

    Attributes:
        spec: as its plugin describes it.
        origin: distribution and version.
        summary: of the distribution, in a line; may be empty.
        environment: it runs in.
        weights: it would load.
        server: address of the machine that computes it; empty: this one does.
    """

    spec: ModelSpec
    origin: str
    summary: str
    environment: EnvironmentStatus
    weights: WeightsStatus
    server: str = ""


def installed(name: str, plugins: Plugins, config: Workers, device: str = "auto") -> InstalledModel:
    """Look at one model; nothing is built, downloaded or imported.

    Args:
        name: of the model.
        plugins: that were loaded.
        config: where environments are, which weights were chosen, what other machines compute.
        device: ``auto``, ``cpu`` or ``cuda[:n]``.

    Raises:
        UnknownModel: no plugin provides it.
    """
    spec, origin = plugins.find(name), plugins.origins.get(name, "")
    remote = config.remote.get(name)
    return InstalledModel(
        spec=spec,
        origin=origin,
        summary=_summary(origin),
        environment=EnvironmentStatus(state="remote")
        if remote
        else environment_status(spec, config.environments, device),
        weights=WeightsStatus(state="remote")
        if remote
        else weights_status(spec, config.checkpoints),
        server=remote.address if remote else "",
    )


def environment_status(spec: ModelSpec, root: Path, device: str) -> EnvironmentStatus:
    """Say whether a model's environment is there; nothing is built.

    Args:
        spec: of the model.
        root: directory of all environments.
        device: ``auto``, ``cpu`` or ``cuda[:n]``.
    """
    if spec.environment is None or spec.environment == CURRENT_INTERPRETER:
        return EnvironmentStatus(state="own")
    try:
        wanted = plan(spec, root, device, _python_here)
    except UvFailed:
        return EnvironmentStatus(
            state="no python",
            problem=f"no Python {spec.environment.python} is installed. "
            f"Run (downloads one): chronotick envs sync {spec.name}",
        )
    except EnvironmentProblem as error:
        return EnvironmentStatus(state="no lock", problem=str(error))
    built = is_complete(wanted.directory)
    return EnvironmentStatus(
        state="built" if built else "not built",
        directory=wanted.directory,
        python=str(wanted.python),
        problem="" if built else f"not built. Run: chronotick envs sync {spec.name}",
    )


def weights_status(spec: ModelSpec, chosen: Mapping[str, str]) -> WeightsStatus:
    """Say whether the weights a worker would load are on this machine.

    Args:
        spec: of the model.
        chosen: section ``workers.checkpoints`` of the configuration.
    """
    checkpoint = chosen.get(spec.name) or (spec.checkpoint.identifier if spec.checkpoint else "")
    if spec.checkpoint is None:
        return WeightsStatus(state="none", checkpoint=checkpoint, configured=bool(checkpoint))
    known = known_checkpoint(spec, checkpoint)
    about = WeightsStatus(
        state="missing",
        checkpoint=checkpoint,
        configured=spec.name in chosen,
        licence=known.licence if known else "",
    )
    return _looked_up(about, spec.name)


def known_checkpoint(spec: ModelSpec, checkpoint: str) -> Checkpoint | None:
    """Return what a plugin says of weights: of the same repository, at any revision."""
    default = (spec.checkpoint,) if spec.checkpoint else ()
    repository = checkpoint.partition("@")[0]
    candidates = [item for item in (*default, *spec.alternatives) if item.repository == repository]
    exact = (item for item in candidates if item.identifier == checkpoint)
    return next(exact, candidates[0] if candidates else None)


def _looked_up(about: WeightsStatus, model: str) -> WeightsStatus:
    try:
        found = find(about.checkpoint, model)
        if found is None:
            return replace(about, problem=missing(about.checkpoint, model, usual=True))
        found.check()
    except (FileNotFoundError, ValueError) as error:
        return replace(about, problem=str(error))
    state = _state(about.checkpoint)
    return replace(
        about,
        state=state,
        name=found.name,
        directory=found.directory,
        size_bytes=size_bytes(found.directory),
        imported_from=_imported_from(found.name) if state == "cached" else "",
    )


def _state(checkpoint: str) -> WeightsState:
    """What weights are that are there."""
    if looks_like_path(checkpoint):
        return "directory"
    return "shipped" if is_shipped(checkpoint) else "cached"


def _imported_from(name: str) -> str:
    repository, _, commit = name.partition("@")
    return str(entry(repository).note(commit).get("imported_from", ""))


def _python_here(versions: str) -> Path:
    """Find an interpreter without downloading one.

    Raises:
        UvFailed: there is none.
    """
    return Uv(program=find_uv(), offline=True).find_python(versions)


def _summary(origin: str) -> str:
    try:
        about = distribution(origin.partition(" ")[0]).metadata.json
    except (PackageNotFoundError, ValueError):  # ValueError: no name at all
        return ""
    return str(about.get("summary", ""))
