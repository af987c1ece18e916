"""What the pages name exists, and the numbers they give are those of the code."""

from __future__ import annotations

import ast
import importlib
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import chronotick
from chronotick.client.detailed import SOURCES
from chronotick.config.environment import OTHERS, PREFIX, SHORT
from chronotick.config.keys import keys
from chronotick.ntp.selection import Reason
from chronotick.plugin import hooks
from chronotick.shm.layout import Status

ROOT = Path(__file__).parents[3]
HEADER = Path(chronotick.__file__).parent / "shm" / "chronotick.h"
WRITTEN = {
    path.name: path.read_text()
    for path in [ROOT / "README.md", *ROOT.glob("docs/*.md")]
    if path.name != "configuration.md"  # generated, and names keys that are gone
}
DEFAULTS = {key.dotted: key.default for key in keys()}


def column(page: str, heading: str, cell: int) -> list[str]:
    """A column, without backticks, of the first table below a heading."""
    rows = re.search(rf"^#+ {heading}$.*?\n((?:\|[^\n]*\n)+)", page, re.DOTALL | re.MULTILINE)
    assert rows is not None, heading
    lines = rows[1].splitlines()[2:]
    return [line.strip("|").split("|")[cell].strip().strip("`") for line in lines]


@pytest.mark.parametrize("page", WRITTEN)
def test_settings_that_a_page_names_exist(page: str):
    sections = {dotted.partition(".")[0] for dotted in DEFAULTS}
    spans = re.findall(r"`([a-z_]+(?:\.[a-z_]+)+)`", WRITTEN[page])
    named = {span for span in spans if span.partition(".")[0] in sections}
    known = {*DEFAULTS} | {d.rpartition(".")[0] for d in DEFAULTS}
    assert named - known == set()


@pytest.mark.parametrize("page", WRITTEN)
def test_variables_that_a_page_names_exist(page: str):
    known = {*SHORT, *OTHERS} | {PREFIX + d.replace(".", "__").upper() for d in DEFAULTS}
    named = set(re.findall(r"CHRONOTICK_[A-Z_]+", WRITTEN[page]))
    assert {name for name in named - known if name not in HEADER.read_text()} == set()


@pytest.mark.parametrize("page", WRITTEN)
def test_functions_that_a_page_calls_exist(page: str):
    called = set(re.findall(r"\bchronotick\.([a-zA-Z_]+)\(", WRITTEN[page]))
    assert called - set(chronotick.__all__) == set()


def test_the_reference_has_every_public_name():
    page = WRITTEN["api.md"]
    assert [n for n in chronotick.__all__ if not re.search(rf":: chronotick\.{n}\b", page)] == []


def test_every_hook_is_described():
    names = [name for name, value in vars(hooks).items() if hasattr(value, "chronotick_spec")]
    assert names == ["chronotick_models"]
    assert [name for name in names if f"`{name}()" not in WRITTEN["plugins.md"]] == []


def test_every_letter_of_a_source_is_explained():
    letters = column(WRITTEN["quickstart.md"], "When something is wrong", 0)
    assert letters == [
        reason.value for reason in sorted(Reason, key=lambda r: letters.index(r.value))
    ]


def test_every_status_is_explained_by_its_name_and_number():
    table = [column(WRITTEN["quickstart.md"], "What the status means", n) for n in (0, 1)]
    assert list(zip(*table, strict=True)) == [(s.words, str(s.value)) for s in Status]


def test_every_source_of_time_is_explained():
    sources = set(SOURCES.values()) - {"no_data"}
    assert [name for name in sources if f"`{name}`" not in WRITTEN["quickstart.md"]] == []


def test_defaults_on_the_pages_are_those_of_the_schema():
    given = {
        (dotted, value.rstrip(".,;:"))
        for page in WRITTEN.values()
        for dotted, value in re.findall(r"`([a-z_]+\.[a-z_.]+)`\s+=\s+(\[[^]]*\]|[^\s|;]+)", page)
    }
    assert len(given) > 15
    wrong = {
        (d, v) for d, v in given if (v if v[0].isalpha() else ast.literal_eval(v)) != DEFAULTS[d]
    }
    assert wrong == set()


@pytest.mark.parametrize(
    ("name", "value", "module"),
    [*zip(*(column(WRITTEN["time.md"], "Constants", n) for n in (0, 1, 3)), strict=True)],
)
def test_constants_on_the_page_are_those_of_the_code(name: str, value: str, module: str):
    assert getattr(importlib.import_module(module), name) == ast.literal_eval(value)


def test_constants_in_the_text_are_in_the_table():
    text, _, table = WRITTEN["time.md"].partition("## Constants")
    named = set(re.findall(r"`(?:chronotick\.[a-z.]+\.)?([A-Z][A-Z_]{2,})`", text))
    listed = set(column("## Constants" + table, "Constants", 0))
    assert named - listed == {"CLOCK_MONOTONIC_RAW", "SO_TIMESTAMPING", "SO_TIMESTAMPNS"}
    in_formulas = set(re.findall(r"\\mathtt\{([A-Z_]+)\}", text))
    assert listed == (named | in_formulas) & listed


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_the_example_in_c_compiles(tmp_path: Path):
    example = re.search(r"```c\n(.*?)```", WRITTEN["api.md"], re.DOTALL)
    assert example is not None
    source = tmp_path / "example.c"
    source.write_text(example[1])
    command = ["cc", "-std=gnu11", "-Wall", "-Werror", "-I", str(HEADER.parent), str(source)]
    subprocess.run([*command, "-o", str(tmp_path / "example")], check=True)


def test_the_table_of_make_targets_is_that_of_the_makefile():
    targets = re.findall(r"^([a-z]+):.*?## (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    rows = [f"| `make {name}` | {does} |" for name, does in targets]
    page = (ROOT / "CONTRIBUTING.md").read_text()
    assert re.findall(r"^\| `make .*$", page, re.MULTILINE) == rows
