"""The guarded loader, on distributions laid out as an installer does."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from chronotick.plugin import UnknownModel, load_plugins
from chronotick.plugin.registry import Discovery
from chronotick.testing.installed import lay_out

GOOD = """
from chronotick.plugin import ModelSpec, hookimpl

@hookimpl
def chronotick_models():
    return [ModelSpec(name={name!r}, title="T", worker={worker!r}, licence="MIT", output="point")]
"""


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all tests: plugins that are really installed are read once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def add_plugin(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch):
    """Install a one-module distribution with an entry point."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))

    def add(module: str, source: str, target: str | None = None) -> None:
        entry_points = {module: target or module}
        files = {f"{module}.py": source}
        lay_out(tmp_path, f"dist-{module}", files, version="2.5", entry_points=entry_points)

    return add


def good(name: str = "good", worker: str = "json:Model") -> str:
    return GOOD.format(name=name, worker=worker)


def problem_of(name: str):
    return next(problem for problem in load_plugins().problems if problem.name == name)


def test_good_plugin_is_loaded_with_its_origin(add_plugin: Callable[..., None]):
    add_plugin("good_one", good())
    plugins = load_plugins()
    assert plugins.find("good").worker == "json:Model"
    assert plugins.origins["good"] == "dist-good_one 2.5"
    assert plugins.problems == ()


def test_ours_are_always_there():
    plugins = load_plugins()
    assert {"kalman", "echo"} <= set(plugins.models)
    assert plugins.origins["echo"].startswith("chronotick ")


BROKEN = {
    "raises": ("raise RuntimeError('at\\nimport')", "RuntimeError: at import", "pip uninstall"),
    "interrupts": ("raise KeyboardInterrupt", "KeyboardInterrupt: no message", "pip uninstall"),
    "dies": (
        "import os; os.abort()",
        "ended with signal 6 and no answer",
        "python -c 'import dies'",
    ),
    "closes_all": (
        "import os; os.closerange(0, 100)",
        "ended with status",
        "pip uninstall dist-closes_all",
    ),
    "exits": ("import sys; sys.exit(3)", "SystemExit: 3", "Report it"),
    "needs_more": ("import absent_module", "No module named 'absent_module'", "Install it again"),
    "wants_torch": (
        "raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')",
        "No module named 'torch'",
        "must move that import into the worker class",
    ),
    "no_hook": ("", "no function `chronotick_models`", "Its author must correct the hook"),
    "wrong_arguments": (
        "from chronotick.plugin import hookimpl\n@hookimpl\ndef chronotick_models(colour): ...",
        "PluginValidationError",
        "docs/plugins.md",
    ),
    "misspelt_hook": (
        "from chronotick.plugin import hookimpl\n@hookimpl\ndef chronotick_model(): ...",
        "unknown hook 'chronotick_model'",
        "docs/plugins.md",
    ),
    "hook_raises": (
        "from chronotick.plugin import hookimpl\n@hookimpl\ndef chronotick_models(): 1 / 0",
        "ZeroDivisionError",
        "Report it",
    ),
    "returns_nonsense": (
        "from chronotick.plugin import hookimpl\n@hookimpl\ndef chronotick_models(): return 5",
        "TypeError",
        "Report it",
    ),
    "not_a_spec": (
        "from chronotick.plugin import hookimpl\n@hookimpl\ndef chronotick_models(): return ['x']",
        "it returned 'x' where a ModelSpec belongs",
        "author must correct",
    ),
    "bad_name": (good("Bad Name"), "model name 'Bad Name' must be lower-case", "author"),
    "bad_worker": (good(worker="nowhere"), "not of the form package.module:name", "author"),
    "absent_worker": (good(worker="absent_pkg.m:C"), "no module 'absent_pkg'", "author"),
    "takes_ours": (good("kalman"), "'kalman' exists already, from chronotick", "author"),
}


@pytest.mark.parametrize("module", BROKEN)
def test_broken_plugin_becomes_a_problem_and_the_others_go_on(
    add_plugin: Callable[..., None], module: str
):
    source, error, hint = BROKEN[module]
    add_plugin(module, source)
    add_plugin("zz_good", good())
    problem = problem_of(module)
    assert error in problem.error
    assert "\n" not in problem.error
    assert hint in problem.hint
    assert (problem.distribution, problem.version) == (f"dist-{module}", "2.5")
    assert {"good", "kalman"} <= set(load_plugins().models)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("output='guess'", "output 'guess' is none of quantiles, samples, point"),
        ("environment='x'", "environment must be an Environment or None"),
        ("checkpoint='x'", "checkpoint must be a Checkpoint or None"),
        ("max_horizon=0", "max_horizon must be a whole number above 0"),
        ("min_context=9000", "min_context is above max_context"),
        ("title=None", "title of a model must be text"),
        ("covariates='temperature'", "covariates must be a tuple of texts"),
        ("trained_on={'a'}", "trained_on must be a tuple of texts"),
        ("random_sizes='tiny'", "random_sizes must be a tuple of texts"),
        ("random_sizes=(1,)", "random_sizes must be a tuple of texts"),
        ("random_weights=5, random_sizes=('a',)", "random_weights must be text"),
        ("trainer=5", "trainer must be text"),
        ("trainer='nowhere_at_all:X'", "no module 'nowhere_at_all'"),
        ("alternatives='x'", "alternatives must be Checkpoints"),
    ],
)
def test_bad_field_is_named(add_plugin: Callable[..., None], change: str, words: str):
    name = change.split("=", maxsplit=1)[0]
    source = good().replace('title="T"', "").replace('output="point"', "").replace(", ,", ",")
    defaults = {"title": '"T"', "output": '"point"'}
    defaults.pop(name, None)
    rest = ", ".join(f"{key}={value}" for key, value in defaults.items())
    source = source.replace('licence="MIT", ', f'licence="MIT", {rest}, {change}')
    add_plugin("field", source)
    assert words in problem_of("field").error


def test_what_cannot_be_told_is_a_problem(add_plugin: Callable[..., None]):
    """A number of a kind that only its own library knows."""
    number = "environment=Environment(recipe=object(), package='p', python='>=3.10')"
    source = good().replace("ModelSpec, h", "Environment, ModelSpec, h")
    add_plugin("odd", source.replace('output="point"', f'output="point", {number}'))
    problem = problem_of("odd")
    assert "not JSON serializable" in problem.error
    assert "Report it" in problem.hint


def test_plugin_in_an_archive_is_read_and_remembered_until_that_changes(
    add_plugin: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    add_plugin("zipped", good())
    archive = tmp_path / "all.zip"

    def pack(source: str) -> None:
        with ZipFile(archive, "w") as file:
            file.writestr("zipped.py", source)

    (tmp_path / "zipped.py").unlink()
    pack(good())
    monkeypatch.syspath_prepend(str(archive))
    assert load_plugins().find("good").worker == "json:Model"
    assert "good" in Discovery().plugins.models
    pack(good("better"))
    assert "zipped" in Discovery().plugins.pending


def test_without_a_home_plugins_are_read_anew(
    add_plugin: Callable[..., None], monkeypatch: pytest.MonkeyPatch
):
    """As in a container that runs as a user nobody knows."""
    add_plugin("good_one", good())
    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", {}.__getitem__)  # KeyError, as for such a user
    assert "good" in load_plugins().models
    assert "good_one" in Discovery().plugins.pending


def test_missing_attribute_of_the_entry_point(add_plugin: Callable[..., None]):
    add_plugin("attribute", good(), target="attribute:absent")
    assert "AttributeError" in problem_of("attribute").error


def test_second_of_two_with_the_same_name_is_the_problem(add_plugin: Callable[..., None]):
    add_plugin("aa_first", good("same"))
    add_plugin("bb_second", good("same"))
    plugins = load_plugins()
    assert plugins.origins["same"] == "dist-aa_first 2.5"
    assert [problem.name for problem in plugins.problems] == ["bb_second"]


def test_unknown_model_names_those_near_and_the_plugins_that_failed(
    add_plugin: Callable[..., None],
):
    add_plugin("exits", "import sys; sys.exit(3)")
    with pytest.raises(
        UnknownModel, match=r"Did you mean kalman\?.*not be loaded: exits"
    ) as caught:
        load_plugins().find("kalmann")
    assert caught.value.near == ("kalman",)


def test_unknown_model_far_from_all_lists_them():
    with pytest.raises(UnknownModel, match=r"Known: .*echo.*Run: chronotick models list"):
        load_plugins().find("qqqqqq")


SLEEPS = "import time; time.sleep(60)"
HOLDS = "import ctypes; ctypes.PyDLL(None).sleep(60)"


@pytest.mark.parametrize("source", [SLEEPS, HOLDS])
def test_import_that_never_ends_is_told_and_the_others_do_not_wait(
    add_plugin: Callable[..., None], source: str
):
    add_plugin("hangs", source)
    add_plugin("zz_good", good())
    plugins = Discovery(deadline_s=40.0).wait(["good", "kalman"])  # good may take long, too
    assert "hangs" in plugins.pending
    assert plugins.find("good").worker == "json:Model"
    discovery = Discovery(deadline_s=2.0)
    problem = next(p for p in discovery.wait().problems if p.name == "hangs")
    assert problem.error == "import took longer than 2 s"
    assert "pip uninstall dist-hangs" in problem.hint
    assert discovery.plugins.pending == ()


def test_waiting_for_what_does_not_come_ends_in_time(add_plugin: Callable[..., None]):
    add_plugin("hangs", SLEEPS)
    assert "hangs" in Discovery(deadline_s=40.0).wait(["absent"], timeout_s=0.05).pending
    problems = Discovery(deadline_s=2.0).wait(["absent"]).problems
    assert "hangs" in [problem.name for problem in problems]


def test_nobody_is_waited_for_who_is_not_named(add_plugin: Callable[..., None]):
    add_plugin("hangs", SLEEPS)
    add_plugin("good_one", good())
    discovery = Discovery(deadline_s=30.0)
    plugins = discovery.wait_for_entries(["good_one", "not_installed"])  # without a limit
    assert "good" in plugins.models
    assert "hangs" in plugins.pending


def test_arrivals_are_told(add_plugin: Callable[..., None]):
    add_plugin("good_one", good())
    seen: list[tuple[str, ...]] = []
    discovery = Discovery()
    discovery.watch(lambda plugins: seen.append(tuple(plugins.models)))
    discovery.wait()
    assert "good" in seen[-1]
    assert "kalman" in seen[0]


def test_foreign_modules_are_not_imported_here(add_plugin: Callable[..., None]):
    add_plugin("somebody_elses", good())
    assert "good" in load_plugins().models
    assert "somebody_elses" not in sys.modules


def test_what_was_read_is_remembered_until_it_changes(
    add_plugin: Callable[..., None], tmp_path: Path
):
    add_plugin("good_one", good())
    first = load_plugins()
    assert Discovery().plugins.models["good"] == first.models["good"]
    (tmp_path / "good_one.py").write_text(good("better"))
    discovery = Discovery()
    assert "good_one" in discovery.plugins.pending
    assert "better" in discovery.wait().models


def test_specification_survives_the_way_through_data(add_plugin: Callable[..., None]):
    full = """
from chronotick.plugin import Checkpoint, Environment, ModelSpec, hookimpl

small = Checkpoint(repository="o/s", licence="MIT", size_mb=1.5)
spec = ModelSpec(
    name="full", title="T", worker="json:Model", licence="MIT", output="samples",
    environment=Environment(recipe="r", package="json", python=">=3.10", preinstall=("a", "b")),
    checkpoint=Checkpoint(repository="o/n", licence="MIT", revision="r"), alternatives=(small,),
    min_context=2, max_context=3, max_horizon=4, covariates=("x",), trained_on=("y", "z"),
)

@hookimpl
def chronotick_models():
    return [spec]
"""
    add_plugin("full_one", full)
    namespace: dict[str, Any] = {}
    exec(full, namespace)  # noqa: S102 - the plugin itself, for comparison
    for _ in range(2):  # read, then remembered
        assert load_plugins().models["full"] == namespace["spec"]


@pytest.mark.parametrize("damage", ["", "[]", '{"models": [{"name": 1}]}', "\0"])
def test_damaged_memory_is_read_anew(
    add_plugin: Callable[..., None], tmp_path: Path, damage: str, monkeypatch: pytest.MonkeyPatch
):
    add_plugin("good_one", good())
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    load_plugins()
    kept = list((tmp_path / "cache").rglob("*.json"))
    assert kept
    for path in kept:
        path.write_text(damage)
    assert "good" in load_plugins().models


def test_memory_that_cannot_be_written_is_only_slower(
    add_plugin: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    add_plugin("good_one", good())
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert "good" in load_plugins().models
