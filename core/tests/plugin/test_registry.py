"""The guarded loader, on distributions laid out as an installer does."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from chronotick.plugin import UnknownModel, load_plugins

GOOD = """
from chronotick.plugin import ModelSpec, hookimpl

@hookimpl
def chronotick_models():
    return [ModelSpec(name={name!r}, title="T", worker={worker!r}, licence="MIT", output="point")]
"""


@pytest.fixture
def add_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Install a one-module distribution with an entry point; modules are forgotten afterwards."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)

    def add(module: str, source: str, target: str | None = None) -> None:
        (tmp_path / f"{module}.py").write_text(source)
        info = tmp_path / f"dist_{module}-2.5.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: dist-{module}\nVersion: 2.5\n"
        )
        (info / "entry_points.txt").write_text(
            f"[chronotick_model]\n{module} = {target or module}\n"
        )

    yield add
    for name in set(sys.modules) - before:
        del sys.modules[name]


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


def test_interrupt_is_not_swallowed(add_plugin: Callable[..., None]):
    add_plugin("interrupted", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        load_plugins()
