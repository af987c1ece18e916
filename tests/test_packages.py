"""What is released can be installed: distributions are built, and used in fresh environments."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import pytest

from chronotick.workers.uv import find_uv, uv_variables

ROOT = Path(__file__).parents[1]
PLUGINS = sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))
BUILT = {".pyc", ".so"}  # left behind by other builds
SOURCES = {".c", ".pyi"}  # of use to a compiler and to editors of our own code alone

pytestmark = pytest.mark.timeout(300)  # a cold cache has everything to download


def uv(*words: str, **variables: str) -> None:
    environ = uv_variables(os.environ, offline=False) | variables
    command = [str(find_uv()), *words]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def run(*words: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a program as somebody who has nothing of ours in the environment."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("CHRONOTICK_", "PYTHON"))}
    environ = kept | variables
    return subprocess.run(words, env=environ, capture_output=True, text=True, check=False)


@pytest.fixture(scope="session")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directory of every distribution; the wheel of the first plugin and ours by way of sdists."""
    out = tmp_path_factory.mktemp("dist")
    whole, short = [ROOT / "core", PLUGINS[0]], PLUGINS[1:]
    with ThreadPoolExecutor(2) as pool:
        builds = [pool.submit(uv, "build", str(p), "--out-dir", str(out)) for p in whole]
        builds += [
            pool.submit(uv, "build", "--wheel", str(p), "--out-dir", str(out)) for p in short
        ]
        for build in builds:
            build.result()
    return out


@pytest.fixture(scope="session")
def core(dist: Path) -> Path:
    """The wheel of ``chronotick``."""
    (wheel,) = dist.glob("chronotick-*.whl")
    return wheel


@pytest.fixture(scope="session")
def tools(dist: Path, core: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Commands after ``uv tool install 'chronotick[daemon]' --with chronotick-ttm``."""
    (plugin,) = dist.glob("chronotick_ttm-*.whl")
    home = tmp_path_factory.mktemp("tools")
    places = {"UV_TOOL_DIR": str(home / "tools"), "UV_TOOL_BIN_DIR": str(home / "bin")}
    command = ["tool", "install", "--python", sys.executable, f"{core}[daemon]"]
    uv(*command, "--with", str(plugin), **places)
    return home / "bin"


def data_files(package: Path) -> Iterator[Path]:
    """Files of a package, behind links too, that are not code, relative to where it is."""
    for directory, folders, names in os.walk(package, followlinks=True):
        folders[:] = [name for name in folders if name != "__pycache__"]
        for name in names:
            path = Path(directory) / name
            if path.suffix not in BUILT | SOURCES:
                yield path.relative_to(package.parent)


@pytest.mark.parametrize("project", [ROOT / "core", *PLUGINS], ids=lambda path: path.name)
def test_a_wheel_holds_every_file_of_its_packages_and_the_licence(dist: Path, project: Path):
    packages = [path for path in (project / "src").iterdir() if (path / "__init__.py").exists()]
    (wheel,) = [each for package in packages for each in dist.glob(f"{package.name}-*.whl")]
    held = set(zipfile.ZipFile(wheel).namelist())
    for package in packages:
        assert {str(path) for path in data_files(package)} - held == set()
    assert any(name.endswith("licenses/LICENSE") for name in held)


def test_a_source_distribution_has_what_a_build_needs(dist: Path):
    """The wheel beside it was built from it alone, links followed."""
    (sdist,) = dist.glob("chronotick-*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
        assert not [member.name for member in archive.getmembers() if member.issym()]
    assert "src/chronotick/shm/chronotick.h" in names
    assert "src/chronotick/shm/_creader.c" in names
    assert "LICENSE" in names


def test_the_client_alone_needs_nothing_else(core: Path, tmp_path: Path):
    python = fresh(tmp_path, core)
    program = (
        "import chronotick, sys, warnings; warnings.simplefilter('ignore'); chronotick.time(); "
        "import chronotick.shm._creader; "
        "print(*{name.partition('.')[0] for name in sys.modules} - sys.stdlib_module_names)"
    )
    record = str(tmp_path / "record")
    done = run(python, "-I", "-c", program, CHRONOTICK_SHM=record)
    assert done.returncode == 0, done.stderr
    assert {name for name in done.stdout.split() if not name.startswith("_")} == {"chronotick"}


def fresh(directory: Path, wheel: Path) -> Path:
    """Interpreter of a new environment with a wheel and what it requires."""
    environment = directory / "environment"
    uv("venv", "--no-project", "--python", sys.executable, str(environment))
    python = environment / "bin" / "python"
    uv("pip", "install", "--python", str(python), str(wheel))
    return python


def test_the_command_without_its_packages_says_what_to_install(core: Path, tmp_path: Path):
    done = run(fresh(tmp_path, core).with_name("chronotick"), "--help")
    assert done.returncode == 1
    assert done.stderr == (
        "chronotick: the command line needs more packages. Run: pip install 'chronotick[daemon]'\n"
    )


def test_every_command_of_the_tool_is_there(tools: Path):
    assert {path.name for path in tools.iterdir()} == {
        *("chronotick", "chronotick-client", "chronotick-daemon", "chronotick-stdio-server"),
    }
    done = run(tools / "chronotick", "--version")
    assert done.stdout.startswith("chronotick, version ")


def test_the_tool_has_the_plugins_models_and_its_own_configurations(tools: Path, tmp_path: Path):
    cache = str(tmp_path / "cache")
    listed = run(tools / "chronotick", "models", "list", XDG_CACHE_HOME=cache)
    assert "ttm" in listed.stdout, listed.stderr
    check = ["config", "check", "cpu_only_ttm"]
    shown = run(tools / "chronotick", *check, XDG_CACHE_HOME=cache)
    assert shown.returncode == 0, shown.stderr


def test_the_tool_installs_its_service_from_the_wheel(tools: Path, tmp_path: Path):
    words = ["service", "install", "--root", tmp_path, "--dry-run", "--with", "http", "--models"]
    done = run(tools / "chronotick", *words)
    assert done.returncode == 0, done.stderr
    assert f"ExecStart={tools.parent}/tools/chronotick/bin/chronotick run" in done.stdout


@pytest.fixture(scope="module")
def sbom() -> ModuleType:
    spec = importlib.util.spec_from_file_location("sbom", ROOT / "deploy/release/sbom.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_bill_of_materials_has_every_package_of_a_lock_with_its_hashes(
    sbom: ModuleType, tmp_path: Path
):
    locked = sbom.locked()
    assert set(locked) == {lock.stem for lock in (ROOT / "envs").glob("*.lock")}
    requirements = tmp_path / "ttm.txt"
    requirements.write_text(locked["ttm"])
    sbom.cyclonedx("requirements", requirements, tmp_path / "ttm.cdx.json")
    bill = json.loads((tmp_path / "ttm.cdx.json").read_text())
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    hashed = {each["name"] for each in bill["components"] if "hashes" in json.dumps(each)}
    lines = (ROOT / "envs/ttm.lock").read_text().splitlines()
    assert hashed == {line.partition("==")[0] for line in lines if line[:1].isalpha()}
    assert {each["name"] for each in bill["components"]} - hashed == {"torch"}
