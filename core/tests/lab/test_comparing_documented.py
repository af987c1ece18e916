"""docs/comparing.md names every column, yardstick, option, figure and error of a comparison."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import chronotick.lab.comparing
from chronotick.cli.comparing import compare
from chronotick.cli.results import results
from chronotick.config.schema import Workers
from chronotick.lab import reporting
from chronotick.lab.comparing.contestants import ALWAYS, contestants
from chronotick.lab.comparing.grids import MOST_STEPS, grids
from chronotick.lab.comparing.jobs import WINDOWS
from chronotick.lab.comparing.rows import SCHEMA
from chronotick.lab.comparing.sessions import FIRST_BATCH, MOST_BATCH
from chronotick.lab.comparing.settings import DEADLINE_S
from chronotick.lab.comparing.yardsticks import YARDSTICKS
from chronotick.plugin.registry import load_plugins

PAGE = (Path(__file__).parents[3] / "docs" / "comparing.md").read_text(encoding="utf-8")
SERIES = {"kind", "value", "unit", "host"}  # on the page about traces
DECILES = {f"q{level / 10:g}" for level in range(2, 9)}  # between q0.1 and q0.9


def test_every_column_is_on_the_page():
    for column in {*SCHEMA.names, "quantiles_from"} - DECILES:
        assert f"`{column}`" in PAGE, column


@pytest.mark.parametrize("name", [*YARDSTICKS, *ALWAYS])
def test_every_yardstick_is_defined(name: str):
    assert re.search(rf"^\| `{name}` \|", PAGE, re.MULTILINE)


def test_every_option_is_on_the_page():
    for command in (compare, *results.commands.values()):
        for parameter in command.params:
            if parameter.param_type_name == "option" and parameter.name not in SERIES:
                assert any(option in PAGE for option in parameter.opts), parameter.opts
    assert [name for name in results.commands if f"chronotick results {name}" not in PAGE] == []


def test_every_figure_is_on_the_page():
    figures = (each.removeprefix("plot_") for each in reporting.__all__ if "plot_" in each)
    assert [name for name in figures if f"`{name}`" not in PAGE] == []


def test_numbers_on_the_page_are_those_of_the_code():
    assert f"horizon / {MOST_STEPS})" in PAGE
    assert f"up to {WINDOWS} windows" in PAGE
    assert f"begin with {FIRST_BATCH} windows" in PAGE
    assert f"`--batch` ({MOST_BATCH})" in PAGE
    assert f"`--deadline` ({DEADLINE_S:g} s" in PAGE


def test_the_grids_of_the_example_are_those_of_the_code():
    near, far = grids(64.58, (64.0, 256.0, 1024.0, 3600.0), 512)
    assert (near.step_ns, near.steps) == (64_000_000_000, (1, 4, 16))
    assert far.steps == (56,)
    assert round(far.step_ns / 1e9, 1) == 64.3
    assert "are 1, 4 and 16 steps of 64 s; an hour is 56 steps of 64.3 s" in PAGE


def test_everything_that_identifies_a_model_is_on_the_page():
    kalman, *_rest, hold, _line = contestants((), load_plugins(), Workers())
    for key in {*kalman.identity, *hold.identity} - {"model"}:
        assert f"`{key}`" in PAGE, key


def test_the_public_faces_are_complete():
    for face in (chronotick.lab.comparing, reporting):
        for name in face.__all__:
            assert getattr(face, name).__doc__, name
