"""Renewing the lock of a recipe: what ``chronotick envs lock`` does."""

from __future__ import annotations

import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from packaging.specifiers import SpecifierSet

from chronotick.plugin.contract import Environment
from chronotick.workers.errors import EnvironmentProblem
from chronotick.workers.recipes import RecipeFiles
from chronotick.workers.uv import Uv, UvFailed

_PIN: Final = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)
_CUDA: Final = re.compile(r"^(nvidia-|cuda-|triton==)", re.MULTILINE)
_OLDEST_MINOR, _NEWEST_MINOR = 10, 99


@dataclass(frozen=True, slots=True)
class Change:
    """A package whose version is not what it was; an empty version: it is not there."""

    package: str
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.package} {self.old or '(new)'} -> {self.new or '(gone)'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewal:
    """A lock as it is and as it should be.

    Attributes:
        files: of the recipe.
        old: text of the lock as it is, empty if there is none.
        new: text of the lock that satisfies the requirements.
    """

    files: RecipeFiles
    old: str
    new: str

    @property
    def changed(self) -> bool:
        """Whether the lock has to be written."""
        return self.old != self.new

    @property
    def changes(self) -> tuple[Change, ...]:
        """The packages that differ, by name; none where only hashes do."""
        old, new = pins(self.old), pins(self.new)
        pairs = ((name, old.get(name, ""), new.get(name, "")) for name in sorted(old | new))
        return tuple(Change(*pair) for pair in pairs if pair[1] != pair[2])

    def write(self) -> None:
        """Put the new lock in place of the old one; a link stays a link."""
        target = self.files.lock.resolve()
        draft = target.with_name(f"{target.name}.draft")
        draft.write_text(self.new, encoding="utf-8")
        draft.replace(target)


def renew(files: RecipeFiles, recipe: Environment, uv: Uv, *, upgrade: bool = False) -> Renewal:
    """Resolve a recipe's requirements; nothing is written.

    Args:
        files: of the recipe.
        recipe: says for which Python, and what is installed before the lock.
        uv: to resolve with.
        upgrade: take the newest versions; else those in the lock stay where they can.

    Raises:
        EnvironmentProblem: no requirements, no solution, no index, or only a CUDA build of torch
            to be had, whose libraries do not belong in a lock for every kind of device.
    """
    if not files.requirements.is_file():
        raise EnvironmentProblem(
            files.name, f"there is no {files.requirements}.", "Write its requirements there."
        )
    old = files.lock.read_text(encoding="utf-8") if files.lock.is_file() else ""
    try:
        new = _resolve(files, recipe, uv, upgrade, None)
        if _CUDA.search(new):
            new = _resolve(files, recipe, uv, upgrade, "cpu")
    except UvFailed as failure:
        raise failure.explain(files.name, files.name, "lock") from failure
    if _CUDA.search(new):
        raise EnvironmentProblem(
            files.name,
            "uv found no CPU build of torch: the lock would hold CUDA libraries.",
            "Name a directory that has one: chronotick envs lock --find-links DIR",
        )
    return Renewal(files=files, old=old, new=new)


def pins(lock: str) -> dict[str, str]:
    """Return the versions in a lock by name of package."""
    return dict(_PIN.findall(lock))


def lowest_python(versions: str) -> str:
    """Return the oldest minor version of Python in a range, e.g. ``3.11`` of ``>=3.11,<3.14``.

    Raises:
        ValueError: there is none.
    """
    allowed = SpecifierSet(versions)
    for minor in range(_OLDEST_MINOR, _NEWEST_MINOR):
        if allowed.contains(f"3.{minor}") or allowed.contains(f"3.{minor}.{_NEWEST_MINOR}"):
            return f"3.{minor}"
    raise ValueError(f"no Python is in the range {versions!r}")


def _resolve(
    files: RecipeFiles, recipe: Environment, uv: Uv, upgrade: bool, backend: str | None
) -> str:
    with tempfile.TemporaryDirectory() as directory:
        draft = Path(directory, files.lock.name)
        if files.lock.is_file():
            shutil.copyfile(files.lock, draft)  # what it holds is kept
        uv.lock(
            files.requirements,
            draft,
            python=lowest_python(recipe.python),
            outside=recipe.preinstall,
            overrides=files.overrides if files.overrides.is_file() else None,
            excludes=files.excludes if files.excludes.is_file() else None,
            upgrade=upgrade,
            backend=backend,
        )
        return draft.read_text(encoding="utf-8")
