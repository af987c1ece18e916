"""Filling an environment: packages from the lock, and the proof that they work together."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from typing import Final

from chronotick.workers.cancellable import run_cancellable
from chronotick.workers.distributions import bring_all, release
from chronotick.workers.environments import BuiltEnvironment, mark_complete
from chronotick.workers.errors import EnvironmentProblem
from chronotick.workers.exits import describe
from chronotick.workers.recipes import Plan
from chronotick.workers.uv import OnDownload, Progress, Uv, UvFailed

_RUNTIME_MODULE: Final = "chronotick.workers.serve"
_SMOKE_TIMEOUT_S: Final = 300


def install(plan: Plan, uv: Uv, tell: Progress) -> BuiltEnvironment:
    """Fill an environment from nothing, prove that it works, and mark it complete.

    The caller holds its lock. What fails leaves nothing behind.

    Raises:
        UvFailed: packages could not be installed, or do not fit each other.
        EnvironmentProblem: they cannot be imported, or torch is not to be had.
        OSError: the disk is full or may not be written to.
    """
    started_s = time.monotonic()
    shutil.rmtree(plan.directory, ignore_errors=True)  # half built by someone who died
    try:
        tell("python", f"making an environment with {plan.version}")
        uv.make_environment(plan.directory, str(plan.python))
        downloaded_bytes = _install_packages(plan, uv, tell)
        _check(plan, uv, tell)
        return mark_complete(
            plan, downloaded_bytes=downloaded_bytes, build_s=time.monotonic() - started_s
        )
    except BaseException:
        shutil.rmtree(plan.directory, ignore_errors=True)  # a full disk should not stay full
        raise


def _install_packages(plan: Plan, uv: Uv, tell: Progress) -> int:
    """Install all packages; returns how many bytes uv said it downloaded."""
    downloaded = 0

    def on_download(name: str, size_bytes: int) -> None:
        nonlocal downloaded
        downloaded += size_bytes
        tell("download", f"{name}, {size_bytes / 1e6:.0f} MB")

    for requirement in plan.recipe.preinstall:
        _preinstall(plan, uv, requirement, tell, on_download)
    lock = plan.directory / f"{plan.recipe.recipe}.lock"
    lock.write_text(plan.lock, encoding="utf-8")
    tell("packages", f"installing the lock's {plan.lock.count('==')} packages")
    uv.install_locked(plan.interpreter, lock, on_download)
    return downloaded


def _preinstall(
    plan: Plan, uv: Uv, requirement: str, tell: Progress, on_download: OnDownload
) -> None:
    """Install a requirement whose build depends on the machine (torch).

    A wheel in UV_FIND_LINKS is the machine owner's choice and comes first. Then the build for
    this kind of device from its makers' own index, and last whatever the package index has.
    """
    tell("packages", f"installing {requirement} from UV_FIND_LINKS")
    if _had(lambda: uv.install_local(plan.interpreter, requirement)):
        return
    if not uv.offline:
        backend = "cpu" if plan.device == "cpu" else "auto"
        tell("packages", f"it has none; downloading {requirement} for {plan.device}")
        if _had(lambda: uv.install(plan.interpreter, requirement, on_download, backend)):
            return
    tell("packages", f"installing {requirement} from the package index (may be gigabytes of CUDA)")
    try:
        uv.install(plan.interpreter, requirement, on_download)
    except UvFailed as failure:
        problem = failure.explain(plan.recipe.recipe, plan.model)
        raise EnvironmentProblem(
            plan.recipe.recipe,
            f"UV_FIND_LINKS has no {requirement}, and {problem.problem}",
            problem.hint,
        ) from failure


def _had(install: Callable[[], None]) -> bool:
    """Whether a package was to be had; a full disk, say, would not be less full elsewhere."""
    try:
        install()
    except UvFailed as failure:
        if not failure.elsewhere:
            raise
        return False
    return True


def _check(plan: Plan, uv: Uv, tell: Progress) -> None:
    """Prove that packages fit each other and can be imported together with our own code.

    The import also writes the bytecode of what it loads. Compiling all packages, most of which
    no worker ever loads, would take several times as long and four times the space.
    """
    uv.check(plan.interpreter, plan.waived)
    modules = [_RUNTIME_MODULE]
    if plan.recipe.smoke_import:
        modules.append(plan.recipe.smoke_import)
    tell("check", f"importing {' and '.join(modules)}")
    _smoke_test(plan, modules, uv.cancelled)


def _smoke_test(plan: Plan, modules: list[str], cancelled: threading.Event) -> None:
    paths, held = bring_all(plan.code, plan.root)
    program = f"import sys\nsys.path[:0] = {[str(path) for path in paths]!r}\n"
    program += "".join(f"import {module}\n" for module in modules)
    command = [str(plan.interpreter), "-I", "-c", program]
    stage = f"importing {' and '.join(modules)}"
    try:
        ended = run_cancellable(command, stage, cancelled, timeout_s=_SMOKE_TIMEOUT_S)
    except TimeoutError as error:
        raise _no_import(plan, modules, str(error)) from error
    finally:
        release(held)
    if ended.returncode != 0:
        raise _no_import(plan, modules, ended.errors.strip() or describe(ended.returncode))


def _no_import(plan: Plan, modules: list[str], said: str) -> EnvironmentProblem:
    return EnvironmentProblem(
        plan.recipe.recipe,
        f"it was built, but {' or '.join(modules)} cannot be imported in it.",
        f"This is a fault of the recipe: tell the author of model {plan.model}.\n{said[-800:]}",
    )
