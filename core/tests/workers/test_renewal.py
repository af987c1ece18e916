"""Locks made by uv from tiny wheels in a directory, without any index."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from chronotick.plugin import Environment
from chronotick.workers import EnvironmentProblem
from chronotick.workers.recipes import RecipeFiles
from chronotick.workers.renewal import Change, lowest_python, renew
from chronotick.workers.uv import Uv, find_uv

RECIPE = Environment(recipe="tiny", package="tiny_plugin", python=">=3.10")
MakeWheel = Callable[..., Path]


@pytest.fixture
def uv(tmp_path: Path, make_wheel: MakeWheel, monkeypatch: pytest.MonkeyPatch) -> Uv:
    """uv with the wheels ``leaf`` 1 and 2, ``stem`` that needs a leaf, ``torch`` that does too."""
    make_wheel("leaf", "1.0")
    make_wheel("leaf", "2.0")
    make_wheel("stem", "1.0", requires=("leaf<2",))
    make_wheel("torch", "2.13.0", requires=("leaf",))
    monkeypatch.setenv("UV_FIND_LINKS", str(tmp_path / "wheels"))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))  # other tests fill the real one
    return Uv(program=find_uv(), offline=True)


@pytest.fixture
def files(tmp_path: Path) -> RecipeFiles:
    directory = tmp_path / "recipe"
    directory.mkdir()
    return RecipeFiles(directory, "tiny")


def names(text: str) -> list[str]:
    return [line.split(" ")[0] for line in text.splitlines() if "==" in line]


def test_new_lock_holds_versions_and_hashes_and_no_address(files: RecipeFiles, uv: Uv):
    files.requirements.write_text("stem\n")
    renewal = renew(files, RECIPE, uv)
    assert renewal.changes == (Change("leaf", "", "1.0"), Change("stem", "", "1.0"))
    assert not files.lock.exists()  # before it is written
    renewal.write()
    text = files.lock.read_text()
    assert names(text) == ["leaf==1.0", "stem==1.0"]
    assert text.count("--hash=sha256:") == 2
    assert str(files.directory.parent) not in text
    assert "//" not in text
    assert not renew(files, RECIPE, uv).changed


def test_what_is_locked_stays_until_an_upgrade_is_asked_for(files: RecipeFiles, uv: Uv):
    files.requirements.write_text("leaf<2\n")
    renew(files, RECIPE, uv).write()
    files.requirements.write_text("leaf\n")
    assert not renew(files, RECIPE, uv).changed
    upgraded = renew(files, RECIPE, uv, upgrade=True)
    assert upgraded.changes == (Change("leaf", "1.0", "2.0"),)
    assert str(upgraded.changes[0]) == "leaf 1.0 -> 2.0"


def test_lock_that_does_not_satisfy_its_requirements_changes(files: RecipeFiles, uv: Uv):
    files.requirements.write_text("stem\n")
    renew(files, RECIPE, uv).write()
    files.requirements.write_text("leaf==2.0\n")
    assert renew(files, RECIPE, uv).changes == (
        Change("leaf", "1.0", "2.0"),
        Change("stem", "1.0", ""),
    )


def test_what_is_installed_before_the_lock_shapes_it_but_stays_outside(files: RecipeFiles, uv: Uv):
    files.requirements.write_text("torch\n")
    before = Environment(
        recipe="tiny", package="tiny_plugin", python=">=3.10", preinstall=("torch==2.13.*",)
    )
    assert names(renew(files, before, uv).new) == ["leaf==2.0"]
    files.requirements.write_text("torch==2.12\n")
    with pytest.raises(EnvironmentProblem, match=r"torch==2\.12"):
        renew(files, before, uv)


def test_overrides_and_excludes_beside_the_requirements_are_honoured(files: RecipeFiles, uv: Uv):
    files.requirements.write_text("stem\n")
    files.overrides.write_text("leaf==2.0\n")
    assert names(renew(files, RECIPE, uv).new) == ["leaf==2.0", "stem==1.0"]
    files.overrides.unlink()
    files.excludes.write_text("leaf\n")
    assert names(renew(files, RECIPE, uv).new) == ["stem==1.0"]


def test_linked_lock_is_written_where_it_lies(files: RecipeFiles, uv: Uv, tmp_path: Path):
    """A plugin's package data links to the recipes at the root of the repository."""
    files.requirements.write_text("leaf\n")
    elsewhere = tmp_path / "envs" / "tiny.lock"
    elsewhere.parent.mkdir()
    elsewhere.touch()
    files.lock.symlink_to(elsewhere)
    renew(files, RECIPE, uv).write()
    assert files.lock.is_symlink()
    assert names(elsewhere.read_text()) == ["leaf==2.0"]


def test_contradiction_is_the_recipes_and_nothing_is_written(files: RecipeFiles, uv: Uv):
    files.requirements.write_text("stem\nleaf==2.0\n")
    with pytest.raises(EnvironmentProblem, match=r"contradict each other(.|\n)*stem"):
        renew(files, RECIPE, uv)
    assert not files.lock.exists()


def test_libraries_of_cuda_never_get_into_a_lock(files: RecipeFiles, uv: Uv, make_wheel: MakeWheel):
    """The package index' torch needs gigabytes of them; a lock is for every kind of device."""
    make_wheel("triton", "3.0")
    make_wheel("torch", "2.13.1", requires=("triton",))
    files.requirements.write_text("torch\n")
    with pytest.raises(EnvironmentProblem) as caught:
        renew(files, RECIPE, uv)
    assert "CPU build of torch" in str(caught.value) or "offline" in str(caught.value)
    assert not files.lock.exists()


def test_recipe_without_requirements_says_what_to_write(files: RecipeFiles, uv: Uv):
    with pytest.raises(EnvironmentProblem, match=r"there is no .*tiny\.in"):
        renew(files, RECIPE, uv)


@pytest.mark.parametrize(
    ("versions", "lowest"),
    [(">=3.11,<3.14", "3.11"), (">=3.10", "3.10"), ("==3.12.*", "3.12"), (">3.11.4", "3.11")],
)
def test_locks_are_for_the_oldest_python_of_the_range(versions: str, lowest: str):
    assert lowest_python(versions) == lowest


def test_range_without_any_python_is_an_error():
    with pytest.raises(ValueError, match="no Python"):
        lowest_python(">=4.0")
