"""Numbers on the command line: what cannot work is refused with the range that can."""

from __future__ import annotations

import click
import pytest
from click.types import FloatParamType, IntParamType

from chronotick.cli.document import walk
from chronotick.cli.main import chronotick

CHECKED_BY_THE_SCHEMA = {("run", "freq"), ("run", "more_cpus")}


def numbers() -> list[tuple[str, click.Parameter]]:
    """Every numeric parameter of every command that it checks itself."""
    root = click.Context(chronotick, info_name="chronotick")
    return [
        (context.command_path.removeprefix("chronotick "), parameter)
        for context in walk(root)
        for parameter in context.command.params
        if isinstance(parameter.type, (FloatParamType, IntParamType))
        and (context.info_name, parameter.name) not in CHECKED_BY_THE_SCHEMA
    ]


def test_every_number_has_a_range():
    found = {(path, parameter.opts[-1]) for path, parameter in numbers()}
    assert {("demo", "--seconds"), ("lab serve", "--port"), ("bench", "--iterations")} <= found
    assert [p.name for _, p in numbers() if getattr(p.type, "min", None) is None] == []


@pytest.mark.parametrize("value", ["-1", "nan", "inf", "-inf", "many", "1e400", ""])
@pytest.mark.parametrize(("path", "parameter"), numbers(), ids=str)
def test_no_number_takes_nonsense(run, path: str, parameter: click.Parameter, value: str):
    """Each of these once ended in a traceback, ran for ever or did nothing without a word."""
    result = run(*path.split(), parameter.opts[0], value)
    assert result.exit_code == 2
    assert parameter.opts[0] in result.output


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ("demo --seconds 0", "0.0 is not in the range x>0"),
        ("demo --servers 0", "1<=x<=100"),
        ("demo --servers 2 --false 3", "3 false servers of 2"),
        ("lab serve --servers 0", "1<=x<=100"),
        ("lab serve --port 70000", "0<=x<=65535"),
        ("lab serve --port 65534 --servers 3", "would end at 65536"),
        ("monitor --interval 0", "0<x<=86400"),
        ("monitor --count 0", "x>=1"),
        ("waitsync --max-error 0", "x>0"),
        ("bench --iterations 0", "1<=x"),
        ("run --freq 0", "from 1 to 1000"),
        ("run --freq nan", "from 1 to 1000"),
        ("run --cpu-affinity -1", "at least 0"),
    ],
)
def test_the_edges_are_told(run, args: str, words: str):
    result = run(*args.split())
    assert result.exit_code == 2
    assert words in result.output


def test_the_last_ports_there_are_can_be_used(run):
    result = run("lab", "serve", "--port", "65534", "--servers", "2", "--seconds", "0.1")
    assert result.exit_code == 0
    assert result.output.split() == ["127.0.0.1:65534", "127.0.0.1:65535"]
