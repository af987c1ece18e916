"""Our own code, and a plugin's, beside the environments: a worker is given paths to it.

The worker runs the very code the daemon runs: daemon and worker can never be two versions of the
protocol, and nothing of ours has to be downloadable. Editable installs are used where they are;
of installed distributions exactly their own files are copied, because a path to the directory
they lie in would bring every other installed package along.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import site
import sysconfig
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import (
    Distribution,
    PackageNotFoundError,
    PackagePath,
    distribution,
    distributions,
)
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from chronotick.workers import guard

COPIES: Final = "code"
"""Directory of the copies, below the environments' root."""

MARKER: Final = ".complete"
_DIGITS: Final = 12
_NOT_CODE: Final = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")  # say how, not what


@dataclass(frozen=True, kw_only=True)
class OwnCode:
    """Where the code of a top-level package comes from.

    Attributes:
        name: of the distribution, or of the package where there is none.
        version: empty where there is no distribution.
        source_root: directory that holds the package, for editable installs; else ``None``.
        files: the distribution's files, for regular installs.
    """

    name: str
    version: str
    source_root: Path | None = None
    files: tuple[PackagePath, ...] = ()

    @cached_property
    def digest(self) -> str:
        """What a copy is recognised by: the names and contents of the files."""
        digest = hashlib.sha256()
        for file in sorted(self.files):
            content = hashlib.sha256(Path(str(file.locate())).read_bytes()).hexdigest()
            digest.update(f"{file} {content}\n".encode())
        return digest.hexdigest()[:_DIGITS]

    def directory(self, root: Path) -> Path:
        """Return where a worker finds this code, copied or not.

        Args:
            root: directory of all environments.
        """
        return self.source_root or root.absolute() / COPIES / f"{self.name}-{self.digest}"


def own_code(package: str) -> OwnCode:
    """Find out where a top-level package comes from, without importing it.

    Raises:
        ModuleNotFoundError: there is no such package.
        RuntimeError: it lies among installed packages, but belongs to no distribution.
    """
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"no package {package!r} is installed", name=package)
    origin = Path(spec.origin)
    root = origin.parent.parent if origin.name == "__init__.py" else origin.parent
    for found in _candidates(package, root):
        files = _files(found)
        if any(Path(str(found.locate_file(file))) == origin for file in files):
            return OwnCode(name=found.name, version=found.version, files=files)
    # A path to where packages are installed would leak every other one into the environment.
    if root == Path(sysconfig.get_path("stdlib")) or _holds_installed(root):
        raise RuntimeError(
            f"package {package!r} lies in {root} but belongs to no installed distribution. "
            "Install it with pip"
        )
    return OwnCode(name=package, version="", source_root=root)


def is_installed(package: str) -> bool:
    """Tell whether this interpreter finds a package by itself, isolated (``-I``) too."""
    spec = find_spec(package)
    origin = Path(spec.origin) if spec is not None and spec.origin is not None else Path()
    return any(origin.is_relative_to(directory) for directory in site.getsitepackages())


def bring(code: OwnCode, root: Path) -> tuple[Path, int | None]:
    """Make code available to workers, copying it unless that was done before.

    Args:
        code: what to bring.
        root: directory of all environments.

    Returns:
        A directory to import from, and the descriptor of the lock that keeps it from being
        pruned, to be closed; ``None`` when nobody would prune it.
    """
    directory = code.directory(root)
    if code.source_root is not None:
        return directory, None
    while True:
        if (directory / MARKER).is_file():
            held = guard.share(directory)
            if (directory / MARKER).is_file():
                return directory, held
            if held is not None:  # pruned in between
                os.close(held)
        with guard.claimed(directory, threading.Event(), lambda: None):
            _copy(code, directory)


def bring_all(
    codes: Iterable[OwnCode], root: Path
) -> tuple[tuple[Path, ...], tuple[int | None, ...]]:
    """Make several available; returns the directories, without repetition, and the locks."""
    paths: dict[Path, None] = {}
    held: list[int | None] = []
    try:
        for code in codes:
            path, descriptor = bring(code, root)
            held.append(descriptor)
            paths[path] = None
    except BaseException:
        release(held)
        raise
    return tuple(paths), tuple(held)


def release(descriptors: Iterable[int | None]) -> None:
    """Give locks back."""
    for descriptor in descriptors:
        if descriptor is not None:
            os.close(descriptor)


def _copy(code: OwnCode, directory: Path) -> None:
    if (directory / MARKER).is_file():
        return
    shutil.rmtree(directory, ignore_errors=True)  # half copied by someone who died
    for file in code.files:
        target = directory / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(str(file.locate()), target)
    (directory / MARKER).touch()


def _candidates(package: str, root: Path) -> Iterator[Distribution]:
    """Distributions that may hold a package: the one of its name, then all beside it."""
    with suppress(PackageNotFoundError):
        yield distribution(package)
    yield from distributions(path=[str(root)])


def _holds_installed(root: Path) -> bool:
    return root.name in ("site-packages", "dist-packages") or any(root.glob("*.dist-info"))


def _files(found: Distribution) -> tuple[PackagePath, ...]:
    """List the files worth copying: no scripts outside site-packages, no bytecode."""
    return tuple(
        file
        for file in found.files or ()
        if ".." not in file.parts
        and not file.is_absolute()
        and file.suffix not in (".pyc", ".pth")
        and file.name not in _NOT_CODE
    )
