"""Environments on disk, and one real small one: what every worker needs, from the same lock."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import re
import subprocess
import sys
import textwrap
import threading
from collections.abc import Awaitable, Callable
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from chronotick.config.schema import Workers
from chronotick.plugin import CURRENT_INTERPRETER, Environment, ModelSpec
from chronotick.workers import (
    EnvironmentProblem,
    Plan,
    build,
    list_environments,
    plan,
    provide,
    prune,
)
from chronotick.workers.environments import is_complete, lease, mark_complete
from chronotick.workers.lodging import Lodging

LOCK = Path(__file__).parents[3] / "envs" / "core-models.lock"
RUNTIME = ("msgpack", "numpy", "pluggy", "pyzmq")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A plugin package with a recipe of its own, importable but belonging to no distribution."""
    source = tmp_path / "source"
    folder = source / "toy_plugin"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("raise SystemExit('planning must not import a plugin')\n")
    entries = re.split(r"\n(?=\S)", LOCK.read_text(encoding="utf-8"))
    chosen = [entry for entry in entries if entry.split("==")[0] in RUNTIME]
    assert len(chosen) == len(RUNTIME)
    (folder / "toy.lock").write_text("\n".join(chosen) + "\n")
    monkeypatch.syspath_prepend(str(source))
    return folder


@pytest.fixture
def spec(package: Path):
    return ModelSpec(
        name="toy",
        title="Toy",
        worker="toy_plugin.worker:Toy",
        licence="MIT",
        output="point",
        environment=Environment(
            recipe="toy", package="toy_plugin", python=">=3.10", smoke_import="numpy"
        ),
    )


@pytest.fixture
def root(tmp_path: Path):
    return tmp_path / "envs"


def no_python(versions: str) -> Path:
    raise AssertionError(f"asked for Python {versions}")


@pytest.fixture
def planned(spec: ModelSpec, root: Path):
    return plan(spec, root, "cpu", no_python)


def pretend(planned: Plan):
    planned.directory.mkdir(parents=True)
    mark_complete(planned)


def test_name_follows_from_all_that_matters(
    spec: ModelSpec, root: Path, planned: Plan, package: Path
):
    assert planned.directory == root / planned.directory.name
    assert planned.directory.name.startswith("toy-")
    assert plan(spec, root, "cpu", no_python) == planned
    other = replace(spec, environment=replace(spec.environment, preinstall=("torch==2.13.*",)))
    assert plan(other, root, "cpu", no_python).directory != planned.directory
    (package / "toy.lock").write_text("another==1\n")
    assert plan(spec, root, "cpu", no_python).packages_key != planned.packages_key


def test_code_changes_the_name_but_not_the_packages(spec: ModelSpec, root: Path, planned: Plan):
    elsewhere = replace(spec, worker="json:JSONDecoder")
    with pytest.raises(RuntimeError, match="belongs to no installed distribution"):
        plan(elsewhere, root, "cpu", no_python)
    ours = plan(replace(spec, worker="chronotick.plugin.echo:Echo"), root, "cpu", no_python)
    assert ours.packages_key == planned.packages_key
    assert ours.directory != planned.directory


def test_other_python_is_asked_for(spec: ModelSpec, root: Path):
    asked = []

    def find(versions: str) -> Path:
        asked.append(versions)
        return Path(sys.executable)

    old = replace(spec, environment=replace(spec.environment, python=">=3.99"))
    plan(old, root, "cpu", find)
    assert asked == [">=3.99"]


def test_missing_lock_is_the_plugins_fault(spec: ModelSpec, root: Path):
    broken = replace(spec, environment=replace(spec.environment, recipe="absent"))
    with pytest.raises(EnvironmentProblem, match=r"holds no absent\.lock\. This is a fault of the"):
        plan(broken, root, "cpu", no_python)


def test_current_interpreter_needs_nothing(spec: ModelSpec, root: Path):
    here = replace(spec, environment=CURRENT_INTERPRETER)
    assert provide(here, root, "cpu").interpreter == Path(sys.executable)
    assert not root.exists()


def test_building_can_be_forbidden(spec: ModelSpec, root: Path):
    with pytest.raises(EnvironmentProblem, match="Run: chronotick envs sync toy"):
        provide(spec, root, "cpu", allowed=False)


def test_complete_environment_needs_no_uv(
    spec: ModelSpec, root: Path, planned: Plan, monkeypatch: pytest.MonkeyPatch
):
    pretend(planned)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setitem(sys.modules, "uv", None)
    held = provide(spec, root, "cpu", allowed=False)
    assert held.interpreter == planned.interpreter
    held.release()


def test_missing_uv_is_said_with_what_to_run(planned: Plan, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setitem(sys.modules, "uv", None)
    with pytest.raises(EnvironmentProblem, match="Run: pip install uv"):
        build(planned)


def test_listing_tells_complete_from_half_built(root: Path, planned: Plan):
    pretend(planned)
    (root / "toy-half").mkdir()
    complete, half = list_environments(root)
    assert (complete.complete, complete.recipe, complete.device) == (True, "toy", "cpu")
    assert set(complete.code) == {"chronotick", "toy_plugin"}
    assert (half.path, half.complete) == (root / "toy-half", False)
    assert list_environments(root / "absent") == ()


def test_damaged_marker_counts_as_half_built(root: Path, planned: Plan):
    pretend(planned)
    (planned.directory / ".complete").write_text("{")
    assert not list_environments(root)[0].complete


def test_prune_leaves_what_is_kept_or_in_use(root: Path):
    for name in ("kept", "used", "idle"):
        (root / name).mkdir(parents=True)
    held = lease(root / "used")
    assert prune(root, keep={root / "kept"}) == (root / "idle",)
    held.release()
    assert prune(root, keep={root / "kept"}) == (root / "used",)
    assert (root / "kept").is_dir()


@contextmanager
def built_by_somebody_else(planned: Plan):
    planned.directory.parent.mkdir()
    lock = os.open(f"{planned.directory}.lock", os.O_CREAT | os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    yield
    os.close(lock)


def test_waiting_for_another_builder_can_be_cancelled(planned: Plan):
    cancelled, said = threading.Event(), []

    def progress(stage: str, message: str) -> None:
        said.append((stage, message))
        cancelled.set()

    with (
        built_by_somebody_else(planned),
        pytest.raises(EnvironmentProblem, match="cancelled"),
    ):
        build(planned, progress=progress, cancelled=cancelled)
    assert said == [("waiting", "another process builds it")]


async def test_lodging_keeps_the_environment_until_it_is_left(
    spec: ModelSpec, root: Path, planned: Plan
):
    pretend(planned)
    lodging = Lodging(Workers(environments=root))
    for _ in range(2):  # a worker that starts again holds it once, not twice
        assert await lodging.prepare(spec, "cpu", print) == planned.interpreter
    assert prune(root, keep=()) == ()
    lodging.leave()
    lodging.leave()
    assert prune(root, keep=()) == (planned.directory,)


async def test_lodging_gives_up_building_when_cancelled(
    spec: ModelSpec,
    root: Path,
    planned: Plan,
    until: Callable[..., Awaitable[None]],
):
    said: list[str] = []
    with built_by_somebody_else(planned):
        preparing = asyncio.create_task(
            Lodging(Workers(environments=root)).prepare(spec, "cpu", said.append)
        )
        await until(lambda: said == ["waiting: another process builds it"])
        preparing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await preparing
        await asyncio.get_running_loop().shutdown_default_executor()  # only if the thread ends


async def test_lodging_gives_back_what_came_too_late(spec: ModelSpec, root: Path, planned: Plan):
    pretend(planned)
    preparing = asyncio.create_task(Lodging(Workers(environments=root)).prepare(spec, "cpu", print))
    await asyncio.sleep(0)
    preparing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await preparing
    await asyncio.get_running_loop().shutdown_default_executor()
    await asyncio.sleep(0)
    assert prune(root, keep=()) == (planned.directory,)


def test_unwritable_root_is_said_clearly(spec: ModelSpec, tmp_path: Path):
    (tmp_path / "file").touch()
    blocked = plan(spec, tmp_path / "file", "cpu", no_python)
    with pytest.raises(EnvironmentProblem, match="Free space or correct permissions"):
        build(blocked)


def test_lock_names_no_index_and_no_path():
    """A lock is committed: it must work behind any mirror."""
    text = LOCK.read_text(encoding="utf-8")
    assert not re.search(r"://|index-url|find-links|(^|\s)/|file:", text)
    assert "torch==" not in text
    assert text.count("--hash=sha256:") > 100


# ---- with uv, on a package index or its cache


@pytest.mark.environment
@pytest.mark.timeout(300)
class TestBuilding:
    def test_builds_runs_links_and_rebuilds(
        self, spec: ModelSpec, root: Path, planned: Plan, package: Path
    ):
        stages = []
        build(planned, progress=lambda stage, _message: stages.append(stage))
        assert stages == ["python", "packages", "check", "done"]
        assert is_complete(planned.directory)
        self.check_isolation(planned, package)
        self.check_second_is_linked(spec, root, planned)
        self.check_half_built_is_rebuilt(planned)

    def check_isolation(self, planned: Plan, package: Path):
        """Our code and the plugin's come from where the daemon's come from; nothing else does."""
        program = (
            "import chronotick.workers.serve as s, sys, importlib.util as u\n"
            "print(s.__file__, u.find_spec('toy_plugin').origin, u.find_spec('pydantic'))\n"
        )
        run = subprocess.run(
            [str(planned.interpreter), "-I", "-c", program],
            capture_output=True,
            text=True,
            check=True,
        )
        from chronotick.workers import serve

        assert run.stdout.split() == [serve.__file__, str(package / "__init__.py"), "None"]
        assert list(planned.directory.rglob("numpy/__pycache__/__init__*.pyc"))

    def check_second_is_linked(self, spec: ModelSpec, root: Path, planned: Plan):
        second = plan(replace(spec, worker="chronotick.plugin.echo:Echo"), root, "cpu", no_python)
        build(second)
        files = [next(p.directory.rglob("numpy/__init__.py")) for p in (planned, second)]
        assert files[0].samefile(files[1])
        sizes = {item.path: item.size_bytes for item in list_environments(root)}
        total = sum(file.lstat().st_size for file in second.directory.rglob("*"))
        assert sizes[second.directory] < 0.05 * total

    def check_half_built_is_rebuilt(self, planned: Plan):
        (planned.directory / ".complete").unlink()
        (planned.directory / "bin" / "python").unlink()
        build(planned)
        subprocess.run([str(planned.interpreter), "-c", "import numpy"], check=True)

    def test_two_processes_build_once(self, spec: ModelSpec, root: Path, planned: Plan):
        program = textwrap.dedent(f"""
            import sys
            sys.path.insert(0, {str(Path(planned.code[1].source_root))!r})
            from pathlib import Path
            from chronotick.plugin import Environment, ModelSpec
            from chronotick.workers import provide
            spec = {spec!r}
            stages = []
            provide(spec, Path({str(root)!r}), "cpu", progress=lambda s, m: stages.append(s))
            print(stages)
        """)
        runs = [
            subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
            for _ in range(2)
        ]
        said = sorted(run.communicate()[0] for run in runs)
        assert "packages" not in said[1]
        assert "packages" in said[0]
        assert len(list_environments(root)) == 1

    def test_altered_package_is_refused(self, spec: ModelSpec, root: Path, package: Path):
        lock = package / "toy.lock"
        lock.write_text(re.sub(r"sha256:\w{8}", "sha256:00000000", lock.read_text()))
        with pytest.raises(EnvironmentProblem, match="a package is not the one that was locked"):
            build(plan(spec, root, "cpu", no_python))
        assert not list_environments(root)[0].complete

    def test_offline_with_nothing_cached_says_what_is_missing(
        self, planned: Plan, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ):
        monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
        with pytest.raises(EnvironmentProblem, match="uv is offline, and neither its cache"):
            build(planned, offline=True)

    def test_offline_without_torch_says_so(
        self, spec: ModelSpec, root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ):
        monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
        monkeypatch.setenv("UV_FIND_LINKS", str(tmp_path))
        heavy = replace(spec, environment=replace(spec.environment, preinstall=("torch==2.13.*",)))
        with pytest.raises(
            EnvironmentProblem, match=r"UV_FIND_LINKS has no torch==2\.13\.\*, and .* uv is offline"
        ):
            build(plan(heavy, root, "cpu", no_python), offline=True)

    def test_python_that_cannot_be_had_is_named(self, spec: ModelSpec, root: Path):
        old = replace(spec, environment=replace(spec.environment, python="==3.99.*"))
        with pytest.raises(EnvironmentProblem, match="Python version it needs is not installed"):
            provide(old, root, "cpu", offline=True)

    def test_module_that_cannot_be_imported_is_the_recipes_fault(self, spec: ModelSpec, root: Path):
        broken = replace(spec, environment=replace(spec.environment, smoke_import="absent_module"))
        planned = plan(broken, root, "cpu", no_python)
        with pytest.raises(EnvironmentProblem, match="fault of the recipe"):
            build(planned)
        assert not is_complete(planned.directory)

    def test_cancelling_ends_uv(self, planned: Plan):
        cancelled = threading.Event()
        with pytest.raises(EnvironmentProblem, match="was cancelled"):
            build(planned, progress=lambda *_: cancelled.set(), cancelled=cancelled)
        assert not is_complete(planned.directory)


def test_marker_holds_no_more_than_it_says(planned: Plan):
    pretend(planned)
    facts = json.loads((planned.directory / ".complete").read_text())
    assert facts["packages_key"] == planned.packages_key
