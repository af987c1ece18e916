"""The environments on disk: which are there, which are in use, which can go.

An environment is a directory ``<recipe>-<hash>`` that holds packages and nothing of ours; it counts
from the moment its marker is there. Environments, and the copies of our own code beside them,
stay until they are pruned: going back to an earlier lock or plugin builds nothing.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from chronotick.workers import guard
from chronotick.workers.distributions import COPIES, MARKER
from chronotick.workers.errors import EnvironmentProblem
from chronotick.workers.recipes import Plan

_OURS: Final = re.compile(r".+-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltEnvironment:
    """An environment on disk.

    Attributes:
        path: its directory.
        complete: whether it was built to the end; nothing else is known otherwise.
        recipe, device: of what was built.
        python: what it was built with, implementation and version.
        packages: how many distributions it holds.
        installed_bytes: disk space of all its files, those shared with uv's cache included.
        downloaded_bytes: what uv announced as downloads for it (files above 1 MiB).
        build_s: how long building took, in seconds.
        created_s: when, in seconds since 1970.
    """

    path: Path
    complete: bool
    recipe: str = ""
    device: str = ""
    python: str = ""
    packages: int = 0
    installed_bytes: int = 0
    downloaded_bytes: int = 0
    build_s: float = 0.0
    created_s: float = 0.0

    @property
    def own_bytes(self) -> int:
        """Disk space that removing it would free: files shared with others do not count."""
        entries = (entry.lstat() for entry in self.path.rglob("*"))
        return sum(entry.st_blocks * 512 for entry in entries if entry.st_nlink == 1)


def is_complete(directory: Path) -> bool:
    """Tell whether an environment was built to the end, and its interpreter is still there."""
    return read_environment(directory).complete


def take(directory: Path) -> int | None:
    """Keep a complete environment from being pruned; returns the descriptor of the lock.

    Raises:
        FileNotFoundError: it is not there, or not complete.
    """
    if is_complete(directory):
        held = guard.share(directory)
        if is_complete(directory):
            return held
        if held is not None:  # pruned in between
            os.close(held)
    raise FileNotFoundError(directory)


def mark_complete(
    plan: Plan, *, downloaded_bytes: int = 0, build_s: float = 0.0
) -> BuiltEnvironment:
    """Declare an environment built: the last thing its builder does."""
    about = BuiltEnvironment(
        path=plan.directory,
        complete=True,
        recipe=plan.recipe.recipe,
        device=plan.device,
        python=plan.version,
        packages=len(list(plan.directory.glob("lib/python*/site-packages/*.dist-info"))),
        installed_bytes=_disk_bytes(plan.directory),
        downloaded_bytes=downloaded_bytes,
        build_s=round(build_s, 3),
        created_s=time.time(),
    )
    facts = {name: value for name, value in asdict(about).items() if name != "path"}
    draft = plan.directory / f"{MARKER}.draft"
    draft.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    draft.replace(plan.directory / MARKER)
    return about


def read_environment(directory: Path) -> BuiltEnvironment:
    """Return what is known of an environment; nothing where its marker is absent or damaged."""
    try:
        facts = json.loads((directory / MARKER).read_text(encoding="utf-8"))
        if (directory / "bin" / "python").exists():  # a link: Python itself may have gone
            return BuiltEnvironment(path=directory, **facts)
    except (OSError, ValueError, TypeError):
        pass
    return BuiltEnvironment(path=directory, complete=False)


def list_environments(root: Path) -> tuple[BuiltEnvironment, ...]:
    """Return the environments below ``root``, half-built ones included, by name."""
    return tuple(read_environment(path) for path in _directories(root))


def superfluous(root: Path, keep: Collection[Path]) -> tuple[Path, ...]:
    """Return the environments, and copies of our own code, that are not in ``keep``."""
    return tuple(path for path in _everything(root) if path not in keep)


def prune(root: Path, keep: Collection[Path]) -> tuple[Path, ...]:
    """Remove the environments and copies of code not in ``keep`` that nobody uses or builds.

    Lock files of those that are gone go too.

    Returns:
        The directories that were removed.

    Raises:
        EnvironmentProblem: something may not be removed.
    """
    try:
        removed = tuple(path for path in superfluous(root, keep) if _remove(path))
        for parent in (root, root / COPIES):
            _remove_locks(parent)
    except OSError as error:
        raise EnvironmentProblem(
            "",
            f"{error.filename or root} could not be removed: {error.strerror or error}.",
            "Run the command as the user who owns that directory.",
        ) from error
    return removed


def _everything(root: Path) -> Iterator[Path]:
    yield from _directories(root)
    yield from _directories(root / COPIES)


def _directories(root: Path) -> list[Path]:
    """List what has a name like ours: the root may be a directory that other things live in."""
    found = root.iterdir() if root.is_dir() else ()
    return sorted(path for path in found if _OURS.fullmatch(path.name) and path.is_dir())


def _remove(directory: Path) -> bool:
    descriptor = guard.claim(directory)
    if descriptor is None:
        return False
    try:
        # The marker first: what is left when we are interrupted is half built, not broken.
        (directory / MARKER).unlink(missing_ok=True)
        shutil.rmtree(directory)
    finally:
        os.close(descriptor)
    return True


def _remove_locks(root: Path) -> None:
    for path in root.glob(f"*{guard.SUFFIX}"):
        directory = path.with_name(path.name.removesuffix(guard.SUFFIX))
        if _OURS.fullmatch(directory.name) and not directory.exists():
            guard.remove_lock(directory)


def _disk_bytes(directory: Path) -> int:
    return sum(entry.lstat().st_blocks * 512 for entry in directory.rglob("*"))
