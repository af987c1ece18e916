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

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from chronotick.plugin.contract import Environment, ModelSpec
from chronotick.workers.distributions import OwnCode, own_code
from chronotick.workers.errors import EnvironmentProblem

_DIGITS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """An environment that is wanted, built or not.

    Attributes:
        model: name of the model it is for.
        recipe: what goes in.
        lock: text of the hashed lock.
        python: interpreter to build with.
        device: kind of device, ``cpu`` or ``cuda``.
        packages_key: hash of all that the installed packages depend on.
        code: our own distributions, which come on top.
        directory: where it is, or will be.
    """

    model: str
    recipe: Environment
    lock: str
    python: Path
    device: str
    packages_key: str
    code: tuple[OwnCode, ...]
    directory: Path

    @property
    def interpreter(self) -> Path:
        """The environment's own interpreter."""
        return self.directory / "bin" / "python"


def plan(spec: ModelSpec, root: Path, device: str, find_python: Callable[[str], Path]) -> Plan:
    """Say which environment a model needs; nothing is built.

    Args:
        spec: of a model whose environment has a recipe.
        root: directory of all environments.
        device: ``auto``, ``cpu`` or ``cuda[:n]``.
        find_python: asked for an interpreter in a version range when this one is outside it.

    Raises:
        EnvironmentProblem: the plugin lacks its lock.
        ValueError: the model has no recipe.
    """
    recipe = spec.environment
    if recipe is None or not recipe.recipe:
        raise ValueError(f"model {spec.name} needs no environment")
    lock = read_lock(recipe, spec.name)
    python, version = _choose_python(recipe.python, find_python)
    kind = device_kind(device)
    packages_key = _digest(lock, *recipe.preinstall, version, sysconfig.get_platform(), kind)
    code = _own_code(spec)
    key = _digest(packages_key, *(item.identity for item in code))
    return Plan(
        model=spec.name,
        recipe=recipe,
        lock=lock,
        python=python,
        device=kind,
        packages_key=packages_key,
        code=code,
        directory=root.absolute() / f"{recipe.recipe}-{key}",
    )


def read_lock(recipe: Environment, model: str) -> str:
    """Return the text of a recipe's lock, from its package's data.

    Raises:
        EnvironmentProblem: it is not there.
    """
    top, *rest = recipe.package.split(".")
    spec = find_spec(top)  # of the top-level name: a deeper one would import its package
    locations = spec.submodule_search_locations if spec is not None else None
    for location in locations or ():
        path = Path(location, *rest, f"{recipe.recipe}.lock")
        if path.is_file():
            return path.read_text(encoding="utf-8")
    raise EnvironmentProblem(
        recipe.recipe,
        f"package {recipe.package} holds no {recipe.recipe}.lock.",
        f"This is a fault of the plugin of model {model}: install it again, or tell its author.",
    )


def device_kind(device: str) -> str:
    """Return ``cuda`` where builds for NVIDIA GPUs are wanted and could run, else ``cpu``."""
    wanted = device == "auto" or device.startswith("cuda")
    return "cuda" if wanted and Path("/proc/driver/nvidia/version").exists() else "cpu"


def _own_code(spec: ModelSpec) -> tuple[OwnCode, ...]:
    packages = dict.fromkeys(("chronotick", spec.worker.partition(":")[0].split(".")[0]))
    return tuple(own_code(package) for package in packages)


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
