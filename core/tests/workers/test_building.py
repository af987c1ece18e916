"""Small real environments, built with uv; and everything that can go wrong with that.

They hold what every worker needs, from a lock of ours: a package index or uv's cache is needed.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest

from chronotick.plugin import ModelSpec
from chronotick.workers import (
    EnvironmentProblem,
    Plan,
    build,
    command,
    guard,
    list_environments,
    plan,
    provide,
    prune,
    serve,
)
from chronotick.workers.environments import is_complete

pytestmark = [pytest.mark.environment, pytest.mark.timeout(300)]

BUILDER = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from chronotick.workers import EnvironmentProblem, provide
from chronotick.plugin import Environment, ModelSpec
spec = eval(sys.argv[3])
def progress(stage, message):
    print(stage, message, flush=True)
try:
    held = provide(spec, Path(sys.argv[1]), "cpu", progress=progress)
except EnvironmentProblem as problem:
    print("problem", str(problem).replace(chr(10), " "))
    print("left", [path.name for path in Path(sys.argv[1]).glob("*") if path.is_dir()])
    sys.exit(1)
print("provided", held.interpreter)
"""


@pytest.fixture
def builder(toy: ModelSpec, root: Path, package: Path) -> list[str]:
    """Command line of a process that provides the toy's environment and tells what it does."""
    return [sys.executable, "-c", BUILDER, str(root), str(package.parent), repr(toy)]


@contextmanager
def running(line: list[str]) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True, bufsize=1) as process:
        try:
            yield process
        finally:
            process.kill()


def read_to(process: subprocess.Popen[str], stage: str) -> list[str]:
    """Read lines up to the first of a stage."""
    lines: list[str] = []
    assert process.stdout is not None
    while not lines or not lines[-1].startswith(stage):
        lines.append(process.stdout.readline())
        assert lines[-1], f"ended before {stage!r}: {lines}"
    return lines


def test_holds_packages_only_and_runs_our_code(toy: ModelSpec, root: Path, package: Path):
    said: list[tuple[str, str]] = []
    held = provide(toy, root, "cpu", progress=lambda *words: said.append(words))
    stages = [stage for stage, _ in said if stage != "download"]
    assert stages == ["python", "packages", "check", "done"]
    assert re.fullmatch(r"4 packages, \d+ MB on disk(, \d+ MB downloaded)?, [\d.]+ s", said[-1][1])
    assert "4 packages" in said[1][1]

    script = package.parent / "question.py"
    script.write_text(
        "import chronotick.workers.serve as s, importlib.util as u\n"
        "print(s.__file__, u.find_spec('toy_plugin').origin, u.find_spec('pydantic'))\n"
    )
    run = subprocess.run(command(held, script), capture_output=True, text=True, check=True, cwd="/")
    assert run.stdout.split() == [serve.__file__, str(package / "__init__.py"), "None"]
    held.release()

    (environment,) = list_environments(root)
    assert not list(environment.path.rglob("chronotick*"))
    assert list(environment.path.rglob("numpy/__pycache__/__init__*.pyc"))  # by the import
    assert environment.packages == 4
    assert environment.installed_bytes > 10e6
    assert environment.own_bytes < environment.installed_bytes


def test_second_plugin_builds_nothing(toy: ModelSpec, root: Path):
    provide(toy, root, "cpu").release()
    other = replace(toy, name="other", worker="chronotick.plugin.echo:Echo")
    provide(other, root, "cpu", allowed=False).release()
    assert len(list_environments(root)) == 1


def test_two_processes_build_once_and_the_second_says_that_it_waits(builder: list[str], root: Path):
    with running(builder) as first:
        read_to(first, "python")
        first.send_signal(signal.SIGSTOP)  # so that it cannot be done before the second comes
        with running(builder) as second:
            assert read_to(second, "waiting") == ["waiting another process builds it\n"]
            first.send_signal(signal.SIGCONT)
            assert "packages" in first.communicate()[0]
            assert second.communicate()[0].startswith("provided")
    assert (first.returncode, second.returncode) == (0, 0)
    assert len(list_environments(root)) == 1


@pytest.mark.parametrize("stage", ["python", "packages", "check"])
def test_build_that_was_killed_is_never_used_but_done_again(
    builder: list[str], toy: ModelSpec, root: Path, planned: Plan, stage: str
):
    with running(builder) as first:
        read_to(first, stage)
        first.kill()
    # A uv that it started may still be writing; then this waits for it.
    assert not is_complete(planned.directory)
    with pytest.raises(EnvironmentProblem, match="it is not built"):
        provide(toy, root, "cpu", allowed=False)
    stages: list[str] = []
    held = provide(toy, root, "cpu", progress=lambda stage, _: stages.append(stage))
    assert "packages" in stages
    subprocess.run([held.interpreter, "-I", "-c", "import numpy, zmq, msgpack"], check=True)
    held.release()


def test_build_that_was_killed_can_be_pruned(builder: list[str], root: Path, planned: Plan):
    with running(builder) as first:
        read_to(first, "check")
        first.kill()
    with guard.claimed(planned.directory, Event(), lambda: None):
        pass  # the check that it started may still run
    assert prune(root, keep=()) == (planned.directory,)


# ---- storage that is full or may not be written to


@contextmanager
def private_mounts(line: list[str], mount: str) -> Iterator[subprocess.Popen[str]]:
    """Run a command in a mount namespace of its own, after a shell command that mounts there."""
    probe = subprocess.run(
        ["/bin/sh", "-c", "unshare -m mount -t tmpfs tmpfs /mnt"],
        capture_output=True,
        text=True,
        check=False,
    )
    if probe.returncode != 0:
        reason = f"this user may not mount in a namespace of its own: {probe.stderr.strip()}"
        (pytest.fail if os.environ.get("CI") and os.geteuid() == 0 else pytest.skip)(reason)
    shell = ["unshare", "-m", "sh", "-ec", f'{mount}\nexec "$@"', "sh"]
    with running([*shell, *line]) as process:
        yield process


def test_full_disk_is_named_and_leaves_nothing_behind(builder: list[str], root: Path):
    root.mkdir()
    with private_mounts(builder, f"mount -t tmpfs -o size=8m tmpfs '{root}'") as process:
        said = process.communicate()[0]
    assert process.returncode == 1
    assert re.search(r"problem environment toy: .*(the disk is full|No space left)", said), said
    assert "left []" in said


def test_building_where_nothing_may_be_written_is_said(builder: list[str], root: Path):
    root.mkdir()
    mount = f"mount --bind '{root}' '{root}'; mount -o remount,ro,bind '{root}'"
    with private_mounts(builder, mount) as process:
        said = process.communicate()[0]
    assert "Read-only file system" in said
    assert "correct permissions, then run: chronotick envs sync toy" in said


def test_environment_that_may_only_be_read_is_used(builder: list[str], toy: ModelSpec, root: Path):
    """An administrator builds, a daemon of another user runs."""
    provide(toy, root, "cpu").release()
    mount = f"mount --bind '{root}' '{root}'; mount -o remount,ro,bind '{root}'"
    for _ in range(2):
        with private_mounts(builder, mount) as process:
            assert process.communicate()[0].startswith("provided")
        for lock in root.glob("*.lock"):  # second round: not even a lock file
            lock.unlink()


# ---- uv's failures, as people read them


def test_altered_package_is_refused(toy: ModelSpec, root: Path, package: Path):
    lock = package / "toy.lock"
    lock.write_text(re.sub(r"sha256:\w{8}", "sha256:00000000", lock.read_text()))
    with pytest.raises(EnvironmentProblem, match="a package is not the one that was locked"):
        build(plan(toy, root, "cpu", Path))
    assert not list_environments(root)


def test_version_that_does_not_exist_is_named(toy: ModelSpec, root: Path, package: Path):
    lock = package / "toy.lock"
    lock.write_text(re.sub(r"(?m)^msgpack==\S+", "msgpack==0.0.999", lock.read_text()))
    with pytest.raises(EnvironmentProblem, match=r"is not to be had(.|\n)*msgpack"):
        build(plan(toy, root, "cpu", Path))


def test_offline_with_nothing_cached_says_what_is_missing(
    planned: Plan, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    with pytest.raises(EnvironmentProblem, match="uv is offline, and neither its cache"):
        build(planned, offline=True)


def test_without_a_network_the_index_is_blamed(
    planned: Plan, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    with pytest.raises(EnvironmentProblem, match="could not reach a package index"):
        build(planned)


def test_offline_without_torch_says_so(
    toy: ModelSpec, root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("UV_FIND_LINKS", str(tmp_path))
    heavy = replace(toy, environment=replace(toy.environment, preinstall=("torch==2.13.*",)))
    with pytest.raises(
        EnvironmentProblem, match=r"UV_FIND_LINKS has no torch==2\.13\.\*, and .* uv is offline"
    ):
        build(plan(heavy, root, "cpu", Path), offline=True)


def test_python_that_cannot_be_had_is_named(toy: ModelSpec, root: Path):
    old = replace(toy, environment=replace(toy.environment, python="==3.99.*"))
    with pytest.raises(EnvironmentProblem, match="Python version it needs is not installed"):
        provide(old, root, "cpu", offline=True)


def test_module_that_cannot_be_imported_is_the_recipes_fault(toy: ModelSpec, root: Path):
    broken = replace(toy, environment=replace(toy.environment, smoke_import="absent_module"))
    planned = plan(broken, root, "cpu", Path)
    with pytest.raises(EnvironmentProblem, match="fault of the recipe"):
        build(planned)
    assert not is_complete(planned.directory)


def test_cancelling_ends_uv(planned: Plan):
    cancelled = Event()
    with pytest.raises(EnvironmentProblem, match="was cancelled"):
        build(planned, progress=lambda *_: cancelled.set(), cancelled=cancelled)
    assert not is_complete(planned.directory)


# ---- what packages require of each other


def test_package_that_lacks_another_is_refused_unless_the_recipe_answers_for_it(
    toy: ModelSpec, root: Path, package: Path, make_wheel: Callable[..., Path], monkeypatch
):
    wheels = make_wheel("demanding", "1.0", requires=("absent-tests>=1", "numpy<1"))
    monkeypatch.setenv("UV_FIND_LINKS", str(wheels.parent))
    demanding = replace(toy, environment=replace(toy.environment, preinstall=("demanding==1.0",)))
    with pytest.raises(EnvironmentProblem) as caught:
        build(plan(demanding, root, "cpu", Path))
    assert "absent-tests" in str(caught.value)
    assert "numpy<1" in str(caught.value)
    (package / "toy.excludes").write_text("absent_tests\n")
    with pytest.raises(EnvironmentProblem) as caught:
        build(plan(demanding, root, "cpu", Path))
    assert "absent-tests" not in str(caught.value)
    (package / "toy.overrides").write_text("numpy>=2\n")
    assert build(plan(demanding, root, "cpu", Path)).packages == 5
