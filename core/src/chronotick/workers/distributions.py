"""Bringing this distribution, and a plugin's, into a model's environment without any index.

The worker runs the very code the daemon runs: daemon and worker can never be two versions of the
protocol, and nothing of ours has to be downloadable.
"""

from __future__ import annotations

import hashlib
import shutil
import site
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import (
    Distribution,
    PackagePath,
    distribution,
    distributions,
    packages_distributions,
)
from importlib.util import find_spec
from pathlib import Path
from typing import Final

PATH_FILE: Final = "chronotick-code.pth"


@dataclass(frozen=True, slots=True, kw_only=True)
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

    @property
    def identity(self) -> str:
        """What an environment that holds this code is recognised by.

        Editable sources are where they are, and changes take effect at once; installed files
        are known by the hashes in their RECORD.
        """
        if self.source_root is not None:
            return f"{self.name} {self.source_root}"
        digest = hashlib.sha256()
        for file in self.files:
            digest.update(f"{file} {file.hash.value if file.hash else ''}\n".encode())
        return f"{self.name} {self.version} {digest.hexdigest()}"


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
    for name in _owners(package):
        found = distribution(name)
        files = _files(found)
        if any(Path(str(found.locate_file(file))) == origin for file in files):
            return OwnCode(name=name, version=found.version, files=files)
    return _sources(package, origin)


def _owners(package: str) -> Iterable[str]:
    """Names of the distributions that hold a top-level package."""
    told = packages_distributions().get(package)
    if told:
        return told
    # Python 3.10 knows only those whose builder wrote top_level.txt.
    return [
        found.name
        for found in distributions()
        if any(file.parts[0] == package for file in found.files or ())
    ]


def install(codes: Iterable[OwnCode], site_packages: Path, copies: Path) -> None:
    """Put code into an environment: a path to its sources, or a copy of its installed files.

    Args:
        codes: what to bring.
        site_packages: of the environment; gets one path file and nothing else, so that what
            packages are installed there does not depend on our code.
        copies: directory for the copies.
    """
    codes = tuple(codes)
    roots = [str(code.source_root) for code in codes if code.source_root is not None]
    for code in codes:
        for file in code.files:
            target = copies / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(str(file.locate()), target)
    lines = [*roots, str(copies)] if copies.exists() else roots
    (site_packages / PATH_FILE).write_text("\n".join(lines) + "\n", encoding="utf-8")


def _sources(package: str, origin: Path) -> OwnCode:
    root = origin.parent.parent if origin.name == "__init__.py" else origin.parent
    # A path to a whole site-packages would leak every other package into the environment.
    installed = {Path(path) for path in (*site.getsitepackages(), site.getusersitepackages())}
    if root in installed | {Path(sysconfig.get_path("stdlib"))}:
        raise RuntimeError(
            f"package {package!r} lies in {root} but belongs to no installed distribution. "
            "Install it with pip"
        )
    return OwnCode(name=package, version="", source_root=root)


def _files(found: Distribution) -> tuple[PackagePath, ...]:
    """List the files worth copying: no scripts outside site-packages, no bytecode."""
    return tuple(
        file
        for file in found.files or ()
        if ".." not in file.parts and not file.is_absolute() and file.suffix != ".pyc"
    )
