"""Building a model's environment."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import threading
from contextlib import suppress
from functools import partial
from pathlib import Path

from chronotick.plugin.contract import CURRENT_INTERPRETER, ModelSpec
from chronotick.workers import distributions
from chronotick.workers.environments import (
    BuiltEnvironment,
    Lease,
    building,
    current_interpreter,
    is_complete,
    lease,
    list_environments,
    mark_complete,
)
from chronotick.workers.errors import EnvironmentProblem
from chronotick.workers.recipes import Plan, plan
from chronotick.workers.uv import Progress, Uv, UvFailed, find_uv

_RUNTIME_MODULE = "chronotick.workers.serve"
_SMOKE_TIMEOUT_S = 300

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
    """Return the interpreter a model's worker runs on; its environment is built if need be.

    Takes seconds to minutes when it builds: not for an event loop's own thread.

    Args:
        spec: of the model.
        root: directory of all environments.
        device: ``auto``, ``cpu`` or ``cuda[:n]``.
        allowed: whether it may be built.
        offline: never use the network.
        progress: told what is being done.
        cancelled: ends the work soon after it is set.

    Raises:
        EnvironmentProblem: it is not built and may not, or cannot, be built.
    """
    if spec.environment == CURRENT_INTERPRETER:
        return current_interpreter()
    stop = cancelled or threading.Event()
    wanted = plan(spec, root, device, partial(_find_python, spec, offline, stop))
    if not is_complete(wanted.directory):
        if not allowed:
            raise EnvironmentProblem(
                wanted.recipe.recipe,
                "it is not built, and workers.build is off.",
                f"Run: chronotick envs sync {spec.name}",
            )
        build(wanted, offline=offline, progress=progress, cancelled=stop)
    return lease(wanted.directory)


def build(
    plan: Plan,
    *,
    offline: bool = False,
    progress: Progress | None = None,
    cancelled: threading.Event | None = None,
) -> None:
    """Build an environment unless it is there.

    Only one process builds it; others wait for that one. Packages are linked from an environment
    that holds the same ones, where there is one: a new version of our own code costs no download
    and no disk.

    Raises:
        EnvironmentProblem: what failed, whose fault it is and what to run.
    """
    stop = cancelled or threading.Event()
    tell = partial(_tell, plan, progress)
    waiting = partial(tell, "waiting", "another process builds it")
    try:
        with building(plan.directory, stop, waiting):
            if is_complete(plan.directory):
                return
            _fill(plan, Uv(program=find_uv(), offline=offline, cancelled=stop), tell)
            mark_complete(plan)
    except UvFailed as failure:
        raise failure.explain(plan.recipe.recipe, plan.model) from failure
    except OSError as error:
        raise EnvironmentProblem(
            plan.recipe.recipe,
            f"{error.strerror or error} ({error.filename or plan.directory}).",
            f"Free space or correct permissions, then run: chronotick envs sync {plan.model}",
        ) from error
    tell("done", str(plan.directory))


def _fill(plan: Plan, uv: Uv, tell: Progress) -> None:
    shutil.rmtree(plan.directory, ignore_errors=True)  # half built by someone who died
    tell("python", f"making an environment with {plan.python}")
    uv.make_environment(plan.directory, str(plan.python))
    site_packages = next(plan.directory.glob("lib/python*/site-packages"))
    twin = _twin(plan)
    if twin is not None:
        tell("packages", f"linking those of {twin.path.name}")
        _link_packages(twin.path, site_packages)
    else:
        _install_packages(plan, uv, tell)
    distributions.install(plan.code, site_packages, plan.directory / "code")
    modules = [_RUNTIME_MODULE]
    if twin is None and plan.recipe.smoke_import:
        modules.append(plan.recipe.smoke_import)
    tell("check", f"importing {' and '.join(modules)}")
    _smoke_test(plan, modules)


def _install_packages(plan: Plan, uv: Uv, tell: Progress) -> None:
    for requirement in plan.recipe.preinstall:
        _preinstall(plan, uv, requirement, tell)
    lock = plan.directory / f"{plan.recipe.recipe}.lock"
    lock.write_text(plan.lock, encoding="utf-8")
    tell("packages", f"installing {plan.lock.count('==')} packages")
    uv.install_locked(plan.interpreter, lock)
    uv.check(plan.interpreter)


def _preinstall(plan: Plan, uv: Uv, requirement: str, tell: Progress) -> None:
    """Install a requirement whose build depends on the machine (torch).

    A wheel in UV_FIND_LINKS is the machine owner's choice and comes first. Then the build for
    this kind of device from its makers' own index, and last whatever the package index has.
    """
    tell("packages", f"installing {requirement} from UV_FIND_LINKS")
    with suppress(UvFailed):
        uv.install_local(plan.interpreter, requirement)
        return
    if not uv.offline:
        backend = "cpu" if plan.device == "cpu" else "auto"
        tell("packages", f"downloading {requirement} for {plan.device}")
        with suppress(UvFailed):
            uv.install(plan.interpreter, requirement, backend)
            return
    tell("packages", f"installing {requirement} from the package index (may be gigabytes of CUDA)")
    try:
        uv.install(plan.interpreter, requirement)
    except UvFailed as failure:
        problem = failure.explain(plan.recipe.recipe, plan.model)
        raise EnvironmentProblem(
            plan.recipe.recipe,
            f"UV_FIND_LINKS has no {requirement}, and {problem.problem}",
            problem.hint,
        ) from failure


def _twin(plan: Plan) -> BuiltEnvironment | None:
    """Find an environment with the same packages: only our own code differs."""
    built = list_environments(plan.directory.parent)
    same = (item for item in built if item.complete and item.packages_key == plan.packages_key)
    return next(same, None)


def _link_packages(source: Path, site_packages: Path) -> None:
    held = lease(source)  # not to be pruned meanwhile
    try:
        origin = next(source.glob("lib/python*/site-packages"))
        shutil.copytree(
            origin,
            site_packages,
            copy_function=_link,
            symlinks=True,
            ignore=shutil.ignore_patterns(distributions.PATH_FILE),
            dirs_exist_ok=True,
        )
    finally:
        held.release()


def _link(source: str, target: str) -> None:
    with suppress(FileExistsError):  # a new environment is not quite empty
        os.link(source, target)


def _smoke_test(plan: Plan, modules: list[str]) -> None:
    program = "".join(f"import {module}\n" for module in modules)
    try:
        subprocess.run(
            [str(plan.interpreter), "-I", "-c", program],
            capture_output=True,
            text=True,
            check=True,
            timeout=_SMOKE_TIMEOUT_S,
        )
    except subprocess.SubprocessError as error:
        said = (getattr(error, "stderr", "") or str(error)).strip()[-800:]
        raise EnvironmentProblem(
            plan.recipe.recipe,
            f"it was built, but {' or '.join(modules)} cannot be imported in it.",
            f"This is a fault of the recipe: tell the author of model {plan.model}.\n{said}",
        ) from error


def _find_python(spec: ModelSpec, offline: bool, cancelled: threading.Event, versions: str) -> Path:
    try:
        return Uv(program=find_uv(), offline=offline, cancelled=cancelled).find_python(versions)
    except UvFailed as failure:
        recipe = spec.environment.recipe if spec.environment else ""
        raise failure.explain(recipe, spec.name) from failure


def _tell(plan: Plan, progress: Progress | None, stage: str, message: str) -> None:
    logger.info("environment %s for %s: %s: %s", plan.recipe.recipe, plan.model, stage, message)
    if progress is not None:
        progress(stage, message)
