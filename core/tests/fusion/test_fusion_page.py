"""What ``docs/fusion.md`` says of the code is true."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[3] / "docs" / "fusion.md"
TEXT, _, TABLE = PAGE.read_text(encoding="utf-8").partition("## Constants")
ROWS = re.findall(r"^\| `(\w+)` \| (.+?) \| .*?\| `([\w.]+)` \|$", TABLE, re.MULTILINE)


@pytest.mark.parametrize(("name", "value", "module"), ROWS)
def test_constants_on_the_page_are_those_of_the_code(name: str, value: str, module: str):
    assert getattr(importlib.import_module(module), name) == ast.literal_eval(value)


def test_constants_in_the_text_are_in_the_table():
    named = set(re.findall(r"`(?:chronotick\.[a-z.]+\.)?([A-Z][A-Z_]{2,})`", TEXT))
    in_formulas = {n.replace("\\", "") for n in re.findall(r"\\mathtt\{([A-Z_\\]+)\}", TEXT)}
    assert (named | in_formulas) - {name for name, _, _ in ROWS} == set()
    assert len(ROWS) > 30
