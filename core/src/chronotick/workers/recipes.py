"""Which environment a model needs: its recipe, its Python, and the name that follows from both."""

from __future__ import annotations

import hashlib
import platform
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from chronotick.plugin.contract import Environment, ModelSpec
from chronotick.workers.distributions import OwnCode, is_installed, own_code
from chronotick.workers.errors import EnvironmentProblem

_DIGITS = 12


@dataclass(frozen=True, slots=True)
class RecipeFiles:
    """The files of a recipe: data of the plugin's package.

    Attributes:
        directory: that holds them.
        name: of the recipe.
    """

    directory: Path
    name: str

    @property
    def requirements(self) -> Path:
        """What people write (``.in``)."""
        return self.directory / f"{self.name}.in"

    @property
    def lock(self) -> Path:
        """What uv made of it: every package, by version and hash."""
        return self.directory / f"{self.name}.lock"

    @property
    def overrides(self) -> Path:
        """Optional: requirements that replace whatever packages say about the same names."""
        return self.directory / f"{self.name}.overrides"

    @property
    def excludes(self) -> Path:
        """Optional: names of packages that are left out though others require them."""
        return self.directory / f"{self.name}.excludes"

    def waived(self) -> frozenset[str]:
        """Return the packages whose absence or version the recipe answers for itself."""
        return frozenset(
            name for path in (self.overrides, self.excludes) for name in requirement_names(path)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """An environment that is wanted, built or not, and the code that runs in it.

    Attributes:
        model: name of the model it is for.
        recipe: what goes in.
        lock: text of the hashed lock.
        waived: packages whose absence or version the recipe answers for.
        python: interpreter to build with.
        version: its implementation and version, e.g. ``"CPython 3.11.7"``.
        device: kind of device, ``cpu`` or ``cuda``.
        directory: where the environment is, or will be; its name follows from lock, preinstalled
            requirements, Python, platform and kind of device.
        code: our own distributions, which are not part of it.
        root: directory of all environments.
    """

    model: str
    recipe: Environment
    lock: str
    waived: frozenset[str]
    python: Path
    version: str
    device: str
    directory: Path
    code: tuple[OwnCode, ...]
    root: Path

    @property
    def interpreter(self) -> Path:
        """The environment's own interpreter."""
        return self.directory / "bin" / "python"

    @property
    def used(self) -> frozenset[Path]:
        """The directories this model lives on, below the root and elsewhere."""
        return frozenset({self.directory, *(item.directory(self.root) for item in self.code)})


def plan(spec: ModelSpec, root: Path, device: str, find_python: Callable[[str], Path]) -> Plan:
    """Say which environment a model needs; nothing is built.

    Args:
        spec: of a model whose environment has a recipe.
        root: directory of all environments.
        device: ``auto``, ``cpu`` or ``cuda[:n]``.
        find_python: asked for an interpreter in a version range when this one is outside it.

    Raises:
        EnvironmentProblem: the plugin lacks its lock, or its own code cannot be told from others'.
        ValueError: the model has no recipe.
    """
    recipe = spec.environment
    if recipe is None or not recipe.recipe:
        raise ValueError(f"model {spec.name} needs no environment")
    files = recipe_files(recipe, spec.name)
    lock = _text(files, recipe, spec.name)
    python, version = _choose_python(recipe.python, find_python)
    kind = device_kind(device)
    key = _digest(lock, *recipe.preinstall, version, sysconfig.get_platform(), kind)
    return Plan(
        model=spec.name,
        recipe=recipe,
        lock=lock,
        waived=files.waived(),
        python=python,
        version=version,
        device=kind,
        directory=root.absolute() / f"{recipe.recipe}-{key}",
        code=code_of(spec),
        root=root,
    )


def recipe_files(recipe: Environment, model: str) -> RecipeFiles:
    """Find the files of a recipe, in its package's data.

    Raises:
        EnvironmentProblem: there are none.
    """
    top, *rest = recipe.package.split(".")
    spec = find_spec(top)  # of the top-level name: a deeper one would import its package
    locations = spec.submodule_search_locations if spec is not None else None
    for location in locations or ():
        files = RecipeFiles(Path(location, *rest), recipe.recipe)
        if files.lock.is_file() or files.requirements.is_file():
            return files
    raise _absent(recipe, model)


def read_lock(recipe: Environment, model: str) -> str:
    """Return the text of a recipe's lock, from its package's data.

    Raises:
        EnvironmentProblem: it is not there.
    """
    return _text(recipe_files(recipe, model), recipe, model)


def requirement_names(path: Path) -> list[str]:
    """Return the normalised names in a file of requirements; none where there is no file."""
    if not path.is_file():
        return []
    text = path.read_text(encoding="utf-8")
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return [canonicalize_name(Requirement(line).name) for line in lines if line]


def device_kind(device: str) -> str:
    """Return ``cuda`` where builds for NVIDIA GPUs are wanted and could run, else ``cpu``."""
    wanted = device == "auto" or device.startswith("cuda")
    return "cuda" if wanted and Path("/proc/driver/nvidia/version").exists() else "cpu"


def _text(files: RecipeFiles, recipe: Environment, model: str) -> str:
    try:
        return files.lock.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise _absent(recipe, model) from None


def _absent(recipe: Environment, model: str) -> EnvironmentProblem:
    return EnvironmentProblem(
        recipe.recipe,
        f"package {recipe.package} holds no {recipe.recipe}.lock.",
        f"This is a fault of the plugin of model {model}: install it again, or tell its author, "
        f"who makes it with: chronotick envs lock {model}",
    )


def code_of(spec: ModelSpec, *, but_installed: bool = False) -> tuple[OwnCode, ...]:
    """Return the distributions of ours that a model's worker needs, ChronoTick's first.

    Args:
        spec: of the model.
        but_installed: without those that this interpreter finds by itself.

    Raises:
        EnvironmentProblem: some code cannot be told from other packages.
    """
    packages = dict.fromkeys(("chronotick", spec.worker.partition(":")[0].split(".")[0]))
    wanted = (name for name in packages if not (but_installed and is_installed(name)))
    try:
        return tuple(own_code(package) for package in wanted)
    except (ModuleNotFoundError, RuntimeError) as error:
        raise EnvironmentProblem(
            spec.environment.recipe if spec.environment else "",
            f"the code of model {spec.name} cannot be brought to its worker: {error}.",
            "Run: pip install the plugin that brings it",
        ) from error


def _choose_python(versions: str, find_python: Callable[[str], Path]) -> tuple[Path, str]:
    """Prefer the daemon's own Python: it is there, and finding it needs no program."""
    if Version(platform.python_version()) in SpecifierSet(versions):
        name = f"{platform.python_implementation()} {platform.python_version()}"
        return Path(sys.executable), name
    python = find_python(versions)
    question = "import platform as p; print(p.python_implementation(), p.python_version())"
    answer = subprocess.run(
        [str(python), "-I", "-c", question], capture_output=True, text=True, check=True
    )
    return python, answer.stdout.strip()


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:_DIGITS]
