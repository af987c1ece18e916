"""`chronotick plugin new` writes a plugin that works as it is."""

from __future__ import annotations

import compileall
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from chronotick.cli.main import chronotick
from chronotick.testing.scaffold import BadPlugin, NewPlugin, generate


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return lambda *words: CliRunner().invoke(chronotick, list(words), catch_exceptions=False)


def test_what_is_written_is_a_whole_package(tmp_path: Path):
    folder = generate(NewPlugin(name="my-model", title="Mine"), tmp_path)
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert files == {
        "README.md",
        "pyproject.toml",
        "src/chronotick_my_model/__init__.py",
        "src/chronotick_my_model/plugin.py",
        "src/chronotick_my_model/py.typed",
        "src/chronotick_my_model/worker.py",
        "tests/test_chronotick_my_model.py",
    }
    assert compileall.compile_dir(folder, quiet=2)
    assert [name for name in files if "$" in (folder / name).read_text()] == []


def test_requirements_make_a_recipe_and_an_environment(tmp_path: Path):
    plugin = NewPlugin(name="arima", title="ARIMA", requires=("statsforecast>=2", "scipy"))
    folder = generate(plugin, tmp_path)
    source = folder / "src" / "chronotick_arima"
    recipe = (source / "arima.in").read_text().splitlines()
    assert {"statsforecast>=2", "scipy", "pyzmq>=26"} <= set(recipe)
    assert (
        'Environment(recipe="arima", package="chronotick_arima"'
        in (source / "plugin.py").read_text()
    )
    assert "chronotick envs lock ." in (folder / "README.md").read_text()


@pytest.mark.parametrize("name", ["Mine", "2fast", "a_b", "a--b", "-a", "", "../x"])
def test_names_that_no_model_can_have_are_refused(tmp_path: Path, name: str):
    with pytest.raises(BadPlugin, match="cannot be a model's name"):
        generate(NewPlugin(name=name, title="T"), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("title", ['a "quoted" one', "two\nlines", "back\\slash", " "])
def test_titles_that_would_break_the_files_are_refused(tmp_path: Path, title: str):
    with pytest.raises(BadPlugin, match="one printable line"):
        generate(NewPlugin(name="x", title=title), tmp_path)


def test_nothing_is_overwritten(tmp_path: Path, run: Callable[..., Result]):
    assert run("plugin", "new", "mine", "--out", str(tmp_path)).exit_code == 0
    again = run("plugin", "new", "mine", "--out", str(tmp_path))
    assert again.exit_code == 1
    assert "exists already" in again.stderr


def test_a_bad_name_is_bad_usage(tmp_path: Path, run: Callable[..., Result]):
    refused = run("plugin", "new", "Mine", "--out", str(tmp_path))
    assert (refused.exit_code, refused.stdout) == (2, "")


@pytest.mark.environment  # it is built, with what it needs for that
def test_the_generated_plugin_passes_its_check(tmp_path: Path, run: Callable[..., Result]):
    run("plugin", "new", "drift", "--title", "A line", "--out", str(tmp_path))
    done = run("plugin", "check", str(tmp_path / "chronotick-drift"))
    assert done.exit_code == 0, done.output
    assert "FAILED" not in done.output
    assert "ok      drift: any-scale" in done.output


@pytest.mark.environment
def test_the_generated_tests_pass(tmp_path: Path, run: Callable[..., Result]):
    run("plugin", "new", "drift", "--out", str(tmp_path))
    folder, target = tmp_path / "chronotick-drift", tmp_path / "installed"
    installing = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target"]
    subprocess.run([*installing, str(target), str(folder)], check=True)
    tests = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder)],
        env={"PYTHONPATH": str(target), "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )
    assert tests.returncode == 0, tests.stdout
    assert "11 passed" in tests.stdout
