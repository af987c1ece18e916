"""``chronotick envs`` on a small plugin, with wheels in a directory instead of an index."""

from __future__ import annotations

import json
import re
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from chronotick.workers import list_environments, plan
from chronotick.workers.environments import mark_complete

Run = Callable[..., Result]

PLUGIN = """
from chronotick.plugin import Environment, ModelSpec, hookimpl

@hookimpl
def chronotick_models():
    return [
        ModelSpec(
            name=name, title="T", worker="small_plugin.worker:W", licence="MIT", output="point",
            environment=Environment(recipe=recipe, package="small_plugin", python=">=3.10"),
        )
        for name, recipe in (("one", "shared"), ("two", "shared"), ("odd", "alone"))
    ]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A plugin's project, installed as an editable one is: metadata, and a path to the sources."""
    source = tmp_path / "project" / "src"
    info = tmp_path / "project" / "installed" / "small_plugin-1.0.dist-info"
    for directory in (source / "small_plugin", info):
        directory.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: small-plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[chronotick_model]\nsmall = small_plugin.plugin\n")
    package = source / "small_plugin"
    (package / "__init__.py").touch()
    (package / "plugin.py").write_text(PLUGIN)
    for recipe, wanted in (("shared", "leaf"), ("alone", "absent")):
        (package / f"{recipe}.in").write_text(f"{wanted}\n")
        (package / f"{recipe}.lock").write_text(f"{wanted}==1.0 \\\n    --hash=sha256:{'0' * 64}\n")
    for path in (source, info.parent):
        monkeypatch.syspath_prepend(str(path))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))  # other tests fill the real one
    monkeypatch.setenv("UV_FIND_LINKS", str(source))  # --find-links sets it: put back afterwards
    yield tmp_path / "project"
    for name in [name for name in sys.modules if name.partition(".")[0] == "small_plugin"]:
        del sys.modules[name]


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """A directory with versions 1.0 and 2.0 of ``leaf``."""
    directory = tmp_path / "wheels"
    directory.mkdir()
    for version in ("1.0", "2.0"):
        info = f"leaf-{version}.dist-info"
        with zipfile.ZipFile(directory / f"leaf-{version}-py3-none-any.whl", "w") as archive:
            archive.writestr("leaf.py", "")
            archive.writestr(
                f"{info}/METADATA", f"Metadata-Version: 2.1\nName: leaf\nVersion: {version}\n"
            )
            archive.writestr(
                f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            )
            archive.writestr(f"{info}/RECORD", "leaf.py,,\n")
    return directory


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "data" / "chronotick" / "envs"


@pytest.fixture
def pretend(root: Path, folder: Path) -> Callable[[str], Path]:
    """Lay out a model's environment as if it had been built."""

    def lay_out(name: str) -> Path:
        from chronotick.plugin.registry import load_plugins

        planned = plan(load_plugins().find(name), root, "cpu", Path)
        (planned.directory / "bin").mkdir(parents=True)
        planned.interpreter.symlink_to(sys.executable)
        mark_complete(planned)
        return planned.directory

    return lay_out


def test_sync_goes_on_after_a_failure_and_says_every_reason(run: Run, folder: Path):
    result = run("envs", "sync", "one", "odd", "two", "--offline")
    assert result.exit_code == 1
    assert result.stderr.count("python: making an environment") == 2  # once for one and two
    assert "3 of 3 models have no environment" in result.stderr
    for name in ("one", "two", "odd"):
        assert re.search(rf"\n{name}: environment \w+: installing packages failed", result.stderr)


def test_sync_shows_stages_with_the_time_they_began(run: Run, folder: Path):
    said = run("envs", "sync", "one", "two", "--offline").stderr
    assert re.search(r"^shared-[0-9a-f]{12} for one, two, on cpu:$", said, re.MULTILINE)
    assert re.search(
        r"^ +\d+\.\d s  packages: installing the lock's 1 packages$", said, re.MULTILINE
    )


def test_sync_of_what_is_there_builds_nothing_and_says_how_large_it_is(
    run: Run, pretend: Callable[[str], Path]
):
    directory = pretend("one")
    result = run("envs", "sync", "one", "two", "--json", "--offline")
    assert result.exit_code == 0
    answer = json.loads(result.stdout)
    assert [(item["model"], item["state"], item["built"]) for item in answer] == [
        ("one", "ready", False),
        ("two", "ready", False),
    ]
    assert {item["environment"] for item in answer} == {str(directory)}
    assert "built before: 0 packages" in result.stderr


def test_list_shows_who_uses_an_environment(run: Run, root: Path, pretend: Callable[[str], Path]):
    directory = pretend("one")
    (root / "old-0123456789ab").mkdir()
    answer = {item["name"]: item for item in json.loads(run("envs", "list", "--json").stdout)}
    assert answer[directory.name]["models"] == ["one", "two"]
    assert answer[directory.name]["age_s"] < 600
    assert answer["old-0123456789ab"]["models"] == []
    table = run("envs", "list").stdout
    assert re.search(rf"{directory.name} +one, two +complete +cpu +CPython 3\.\S+ +0 MB", table)
    assert re.search(r"old-0123456789ab +- +half built", table)


def test_prune_removes_what_no_model_would_use(
    run: Run, root: Path, pretend: Callable[[str], Path]
):
    directory = pretend("one")
    old = root / "old-0123456789ab"
    old.mkdir()
    assert run("envs", "prune", "--json").exit_code == 1  # it cannot ask
    assert old.is_dir()
    answer = json.loads(run("envs", "prune", "--json", "--yes").stdout)
    assert answer == {"removed": ["old-0123456789ab"]}
    assert [built.path for built in list_environments(root)] == [directory]
    assert "nothing to remove" in run("envs", "prune").stdout


def test_prune_keeps_what_may_be_needed_when_a_plugin_cannot_say(
    run: Run, folder: Path, pretend: Callable[[str], Path]
):
    directory = pretend("one")
    (folder / "src" / "small_plugin" / "shared.lock").unlink()
    assert "nothing to remove" in run("envs", "prune", "--yes").stdout
    assert directory.is_dir()


# ---- lock


def test_lock_renews_a_recipe_by_model_recipe_or_folder(run: Run, folder: Path, wheels: Path):
    lock = folder / "src" / "small_plugin" / "shared.lock"
    for name in ("one", "shared", str(folder)):
        lock.unlink(missing_ok=True)
        run("envs", "lock", name, "--find-links", str(wheels), "--offline")
        assert lock.read_text().startswith("leaf==2.0")
    assert str(wheels) not in lock.read_text()


def test_lock_shows_what_changed_and_upgrades_only_when_asked(run: Run, folder: Path, wheels: Path):
    lock = folder / "src" / "small_plugin" / "shared.lock"
    arguments = ("envs", "lock", "shared", "--offline", "--find-links", str(wheels))
    lock.unlink()
    (folder / "src" / "small_plugin" / "shared.in").write_text("leaf<2\n")
    assert "  leaf (new) -> 1.0\n" in run(*arguments).stdout
    (folder / "src" / "small_plugin" / "shared.in").write_text("leaf\n")
    assert run(*arguments).stdout == "shared: up to date\n"
    checked = run(*arguments, "--upgrade", "--check", "--json")
    assert checked.exit_code == 1
    assert json.loads(checked.stdout)[0]["changes"] == [
        {"package": "leaf", "old": "1.0", "new": "2.0"}
    ]
    assert lock.read_text().startswith("leaf==1.0")
    assert "  leaf 1.0 -> 2.0\n" in run(*arguments, "--upgrade").stdout
    assert lock.read_text().startswith("leaf==2.0")


def test_check_fails_when_a_lock_does_not_satisfy_its_requirements(
    run: Run, folder: Path, wheels: Path
):
    arguments = ("envs", "lock", "shared", "--offline", "--find-links", str(wheels))
    run(*arguments)
    assert run(*arguments, "--check").exit_code == 0
    (folder / "src" / "small_plugin" / "shared.in").write_text("leaf==2.0\n")
    checked = run(*arguments, "--check")
    assert checked.exit_code == 1
    assert "Run: chronotick envs lock shared" in checked.stderr


def test_lock_goes_on_after_a_failure(run: Run, folder: Path, wheels: Path):
    (folder / "src" / "small_plugin" / "shared.lock").unlink()
    result = run(*("envs", "lock", "alone", "shared", "--offline", "--find-links", str(wheels)))
    assert result.exit_code == 1, result.output
    assert "environment alone: locking alone.in failed" in result.stderr
    assert "shared: written" in result.stdout


def test_lock_of_nothing_known_names_the_recipes(run: Run, folder: Path, tmp_path: Path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in ("shard", str(elsewhere)):
        result = run("envs", "lock", name)
        assert result.exit_code == 2
        assert "alone" in result.stderr
        assert "pip install -e FOLDER" in result.stderr
