"""Providing what a model's worker runs on: an environment, built if need be, and our own code."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path

from chronotick.plugin.contract import CURRENT_INTERPRETER, ModelSpec
from chronotick.workers.distributions import OwnCode, bring_all, release
from chronotick.workers.environments import (
    BuiltEnvironment,
    is_complete,
    read_environment,
    take,
)
from chronotick.workers.errors import EnvironmentProblem
from chronotick.workers.guard import claimed
from chronotick.workers.installation import install
from chronotick.workers.leases import Lease
from chronotick.workers.recipes import Plan, code_of, plan
from chronotick.workers.uv import Progress, Uv, UvFailed, find_uv

logger = logging.getLogger(__name__)


def provide(
    spec: ModelSpec,
    root: Path,
    device: str,
    *,
    allowed: bool = True,
    offline: bool = False,
    progress: Progress | None = None,
    cancelled: threading.Event | None = None,
) -> Lease:
    """Return what a model's worker runs on; its environment is built if need be.

    Takes seconds to minutes when it builds: not for an event loop's own thread. Models with the
    same recipe share an environment; ChronoTick and the plugin are not in it, but come as paths.

    Args:
        spec: of the model.
        root: directory of all environments.
        device: ``auto``, ``cpu`` or ``cuda[:n]``.
        allowed: whether the environment may be built.
        offline: never use the network.
        progress: told what is being done.
        cancelled: ends the work soon after it is set.

    Raises:
        EnvironmentProblem: it is not built and may not, or cannot, be built.
    """
    if spec.environment == CURRENT_INTERPRETER:
        return _lease(spec, Path(sys.executable), code_of(spec, but_installed=True), root)
    stop = cancelled or threading.Event()
    wanted = plan(spec, root, device, python_finder(spec, offline=offline, cancelled=stop))
    while True:
        with suppress(FileNotFoundError):
            held = take(wanted.directory)
            return _lease(spec, wanted.interpreter, wanted.code, root, (held,))
        if not allowed:
            raise EnvironmentProblem(
                wanted.recipe.recipe,
                "it is not built, and workers.build is off.",
                f"Run: chronotick envs sync {spec.name}",
            )
        build(wanted, offline=offline, progress=progress, cancelled=stop)


def build(
    plan: Plan,
    *,
    offline: bool = False,
    progress: Progress | None = None,
    cancelled: threading.Event | None = None,
) -> BuiltEnvironment:
    """Build an environment unless it is there.

    Only one process builds it; others wait for that one. What fails leaves nothing behind but
    uv's cache, so the next attempt does not download twice.

    Raises:
        EnvironmentProblem: what failed, whose fault it is and what to run.
    """
    stop = cancelled or threading.Event()
    tell = partial(_tell, plan, progress)
    waiting = partial(tell, "waiting", "another process builds it")
    try:
        with claimed(plan.directory, stop, waiting) as lock:
            if is_complete(plan.directory):
                return read_environment(plan.directory)
            uv = Uv(program=find_uv(), offline=offline, cancelled=stop, inherits=(lock,))
            built = install(plan, uv, tell)
    except UvFailed as failure:
        raise failure.explain(plan.recipe.recipe, plan.model) from failure
    except OSError as error:
        raise _storage_problem(plan.recipe.recipe, plan.model, plan.directory, error) from error
    tell("done", describe(built))
    return built


def python_finder(
    spec: ModelSpec, *, offline: bool, cancelled: threading.Event, download: bool = True
) -> Callable[[str], Path]:
    """Return what looks for an interpreter in a version range, for :func:`plan`.

    Args:
        spec: of the model, to be named when there is none.
        offline: never use the network.
        cancelled: ends the search soon after it is set.
        download: whether a missing one is installed by uv.
    """

    def find(versions: str) -> Path:
        uv = Uv(program=find_uv(), offline=offline, cancelled=cancelled)
        try:
            return uv.find_python(versions, download=download)
        except UvFailed as failure:
            recipe = spec.environment.recipe if spec.environment else ""
            raise failure.explain(recipe, spec.name) from failure

    return find


def describe(built: BuiltEnvironment) -> str:
    """Say how large an environment is and what building it took."""
    words = f"{built.packages} packages, {built.installed_bytes / 1e6:.0f} MB on disk"
    if built.downloaded_bytes:
        words += f", {built.downloaded_bytes / 1e6:.0f} MB downloaded"
    return f"{words}, {built.build_s:.1f} s"


def _lease(
    spec: ModelSpec,
    interpreter: Path,
    codes: Iterable[OwnCode],
    root: Path,
    held: tuple[int | None, ...] = (),
) -> Lease:
    """Bring code to an interpreter; what is held is released if that fails."""
    try:
        paths, locks = bring_all(codes, root)
    except OSError as error:
        release(held)
        recipe = spec.environment.recipe if spec.environment else ""
        raise _storage_problem(recipe, spec.name, root, error) from error
    taken = tuple(item for item in (*held, *locks) if item is not None)
    return Lease(interpreter, paths, taken)


def _storage_problem(recipe: str, model: str, place: Path, error: OSError) -> EnvironmentProblem:
    return EnvironmentProblem(
        recipe,
        f"{error.strerror or error} ({error.filename or place}).",
        f"Free space or correct permissions, then run: chronotick envs sync {model}",
    )


def _tell(plan: Plan, progress: Progress | None, stage: str, message: str) -> None:
    logger.info("environment %s for %s: %s: %s", plan.recipe.recipe, plan.model, stage, message)
    if progress is not None:
        progress(stage, message)
