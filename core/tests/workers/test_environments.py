"""Environments on disk: their names, what is there, what is in use, what can go."""

from __future__ import annotations

import asyncio
import fcntl
import os
import re
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from chronotick.config.schema import Workers
from chronotick.plugin import CURRENT_INTERPRETER, ModelSpec
from chronotick.workers import (
    EnvironmentProblem,
    Plan,
    build,
    list_environments,
    plan,
    provide,
    prune,
)
from chronotick.workers.environments import is_complete, superfluous, take
from chronotick.workers.lodging import Lodging

LOCKS = sorted((Path(__file__).parents[3] / "envs").glob("*.lock"))


def no_python(versions: str) -> Path:
    raise AssertionError(f"asked for Python {versions}")


# ---- names


def test_name_follows_from_all_that_the_packages_depend_on(
    toy: ModelSpec, root: Path, planned: Plan, package: Path
):
    assert planned.directory == root / planned.directory.name
    assert planned.directory.name.startswith("toy-")
    assert plan(toy, root, "cpu", no_python) == planned
    other = replace(toy, environment=replace(toy.environment, preinstall=("torch==2.13.*",)))
    assert plan(other, root, "cpu", no_python).directory != planned.directory
    (package / "toy.lock").write_text("another==1\n")
    assert plan(toy, root, "cpu", no_python).directory != planned.directory


def test_plugins_with_the_same_recipe_share_an_environment(
    toy: ModelSpec, root: Path, planned: Plan
):
    """Regression: each plugin, and each version of it, had 37,000 hard links of its own."""
    other = plan(replace(toy, worker="chronotick.plugin.echo:Echo"), root, "cpu", no_python)
    assert other.directory == planned.directory
    assert [code.name for code in planned.code] == ["chronotick", "toy_plugin"]
    assert [code.name for code in other.code] == ["chronotick"]


def test_code_that_cannot_be_told_from_other_packages_is_refused(toy: ModelSpec, root: Path):
    with pytest.raises(EnvironmentProblem, match="belongs to no installed distribution"):
        plan(replace(toy, worker="json:JSONDecoder"), root, "cpu", no_python)


def test_other_python_is_asked_for(toy: ModelSpec, root: Path):
    asked = []

    def find(versions: str) -> Path:
        asked.append(versions)
        return Path(sys.executable)

    old = replace(toy, environment=replace(toy.environment, python=">=3.99"))
    plan(old, root, "cpu", find)
    assert asked == [">=3.99"]


@pytest.mark.parametrize("suffix", ["in", "nothing"])
def test_missing_lock_is_the_plugins_fault(toy: ModelSpec, root: Path, package: Path, suffix: str):
    (package / f"absent.{suffix}").touch()
    broken = replace(toy, environment=replace(toy.environment, recipe="absent"))
    with pytest.raises(EnvironmentProblem, match=r"holds no absent\.lock\. This is a fault of the"):
        plan(broken, root, "cpu", no_python)


def test_recipe_says_which_packages_may_be_absent_or_of_another_version(
    toy: ModelSpec, root: Path, package: Path
):
    (package / "toy.overrides").write_text("# newer than asked for\ntorch==2.13.*\n")
    (package / "toy.excludes").write_text("types_PyYAML  # tests only\n\npytest\n")
    assert plan(toy, root, "cpu", no_python).waived == {"torch", "types-pyyaml", "pytest"}


# ---- what is there


def test_current_interpreter_needs_nothing(toy: ModelSpec, root: Path):
    here = replace(toy, environment=CURRENT_INTERPRETER)
    assert provide(here, root, "cpu").interpreter == Path(sys.executable)
    assert not root.exists()


def test_building_can_be_forbidden(toy: ModelSpec, root: Path):
    with pytest.raises(EnvironmentProblem, match="Run: chronotick envs sync toy"):
        provide(toy, root, "cpu", allowed=False)


def test_complete_environment_needs_no_uv(
    toy: ModelSpec,
    root: Path,
    planned: Plan,
    pretend: Callable[[Plan], None],
    monkeypatch: pytest.MonkeyPatch,
):
    pretend(planned)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setitem(sys.modules, "uv", None)
    held = provide(toy, root, "cpu", allowed=False)
    assert held.interpreter == planned.interpreter
    assert held.paths == tuple(code.source_root for code in planned.code)
    held.release()


def test_missing_uv_is_said_with_what_to_run(planned: Plan, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setitem(sys.modules, "uv", None)
    with pytest.raises(EnvironmentProblem, match="Run: pip install uv"):
        build(planned)


def test_listing_tells_complete_from_half_built(
    root: Path, planned: Plan, pretend: Callable[[Plan], None]
):
    pretend(planned)
    (root / "zoo-0123456789ab").mkdir()
    (root / "code" / "plugin-0123456789ab").mkdir(parents=True)
    complete, half = list_environments(root)
    assert (complete.complete, complete.recipe, complete.device) == (True, "toy", "cpu")
    assert complete.python == planned.version
    assert (half.path, half.complete) == (root / "zoo-0123456789ab", False)
    assert list_environments(root / "absent") == ()


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"complete": true, "colour": "red"}', b"\xff\x00"]
)
def test_damaged_marker_counts_as_half_built(
    toy: ModelSpec, root: Path, planned: Plan, pretend: Callable[[Plan], None], content: bytes
):
    """Regression: `list` called it half built, but a worker was started in it."""
    pretend(planned)
    (planned.directory / ".complete").write_bytes(content)
    assert not list_environments(root)[0].complete
    with pytest.raises(EnvironmentProblem, match="it is not built"):
        provide(toy, root, "cpu", allowed=False)


def test_environment_whose_python_was_removed_counts_as_half_built(
    planned: Plan, pretend: Callable[[Plan], None]
):
    pretend(planned)
    planned.interpreter.unlink()
    planned.interpreter.symlink_to("/no/such/python")
    assert not is_complete(planned.directory)
    with pytest.raises(FileNotFoundError):
        take(planned.directory)


def test_going_back_to_an_earlier_lock_builds_nothing(
    toy: ModelSpec, root: Path, package: Path, pretend: Callable[[Plan], None]
):
    lock = package / "toy.lock"
    earlier, later = lock.read_text(), "numpy==1\n"
    for text in (earlier, later):
        lock.write_text(text)
        pretend(plan(toy, root, "cpu", no_python))
    lock.write_text(earlier)
    held = provide(toy, root, "cpu", allowed=False)
    assert held.interpreter == plan(toy, root, "cpu", no_python).interpreter
    assert len(list_environments(root)) == 2
    held.release()


# ---- what can go


def test_prune_leaves_what_is_kept_and_removes_code_and_locks_too(
    toy: ModelSpec, root: Path, planned: Plan, pretend: Callable[[Plan], None]
):
    pretend(planned)
    for name in ("toy-000000000000", "code/plugin-0123456789ab", "photographs", "code/notes"):
        (root / name).mkdir(parents=True)
    stray = [root / "toy-111111111111.lock", root / "code" / "plugin-222222222222.lock"]
    notes = root / "notes.lock"  # nothing of ours
    for path in (*stray, notes):
        path.touch()
    going = (root / "toy-000000000000", root / "code" / "plugin-0123456789ab")
    assert superfluous(root, keep=planned.used) == going
    assert prune(root, keep=planned.used) == going
    provide(toy, root, "cpu", allowed=False).release()
    left = {path.name for path in root.rglob("*") if path.parent in (root, root / "code")}
    ours = {planned.directory.name, f"{planned.directory.name}.lock"}
    assert left == ours | {"code", "notes", "notes.lock", "photographs"}


HOLDER = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from chronotick.workers import provide
from chronotick.plugin import Environment, ModelSpec
spec = eval(sys.argv[3])
held = provide(spec, Path(sys.argv[1]), "cpu", allowed=False)
print("held", flush=True)
time.sleep(600)
"""


def test_prune_leaves_what_another_process_uses_until_it_dies(
    toy: ModelSpec, root: Path, planned: Plan, package: Path, pretend: Callable[[Plan], None]
):
    pretend(planned)
    line = [sys.executable, "-c", HOLDER, str(root), str(package.parent), repr(toy)]
    with subprocess.Popen(line, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert prune(root, keep=()) == ()
        holder.kill()
    assert prune(root, keep=()) == (planned.directory,)
    assert list(root.iterdir()) == []


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


def test_unwritable_root_is_said_clearly(toy: ModelSpec, tmp_path: Path):
    (tmp_path / "file").touch()
    blocked = plan(toy, tmp_path / "file", "cpu", no_python)
    with pytest.raises(EnvironmentProblem, match="Free space or correct permissions"):
        build(blocked)


# ---- lodgings


async def test_lodging_keeps_the_environment_until_it_is_left(
    toy: ModelSpec, root: Path, planned: Plan, pretend: Callable[[Plan], None]
):
    pretend(planned)
    lodging = Lodging(Workers(environments=root))
    for _ in range(2):  # a worker that starts again holds it once, not twice
        lease = await lodging.prepare(toy, "cpu", print)
        assert lease.interpreter == planned.interpreter
    assert prune(root, keep=()) == ()
    lodging.leave()
    lodging.leave()
    assert prune(root, keep=()) == (planned.directory,)


async def test_lodging_gives_up_building_when_cancelled(
    toy: ModelSpec,
    root: Path,
    planned: Plan,
    until: Callable[..., Awaitable[None]],
):
    said: list[str] = []
    with built_by_somebody_else(planned):
        preparing = asyncio.create_task(
            Lodging(Workers(environments=root)).prepare(toy, "cpu", said.append)
        )
        await until(lambda: said == ["waiting: another process builds it"])
        preparing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await preparing
        await asyncio.get_running_loop().shutdown_default_executor()  # only if the thread ends


async def test_lodging_gives_back_what_came_too_late(
    toy: ModelSpec, root: Path, planned: Plan, pretend: Callable[[Plan], None]
):
    pretend(planned)
    preparing = asyncio.create_task(Lodging(Workers(environments=root)).prepare(toy, "cpu", print))
    await asyncio.sleep(0)
    preparing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await preparing
    await asyncio.get_running_loop().shutdown_default_executor()
    await asyncio.sleep(0)
    assert prune(root, keep=()) == (planned.directory,)


# ---- the locks of this repository


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.stem)
def test_lock_names_no_index_no_path_and_no_torch(lock: Path):
    """A lock is committed: it must work behind any mirror, for any kind of device."""
    text = lock.read_text(encoding="utf-8")
    assert not re.search(r"://|index-url|find-links|(^|\s)/|file:", text)
    assert not re.search(r"^(torch|triton|nvidia-\S+)==", text, re.MULTILINE)
    assert text.count("--hash=sha256:") > 100
