"""The page on the study is that of its template, and its numbers are all filled in."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
STUDY = ROOT / "examples" / "study"
PAGE = (ROOT / "docs" / "study.md").read_text(encoding="utf-8")
PLACE = re.compile(r"<<[^>]+>>")


def fixed_lines() -> list[str]:
    """Lines of the template that no number changes, of what stands on the page by the command."""
    template = (STUDY / "page.md").read_text(encoding="utf-8")
    without = re.sub(r"<<if real>>.*?<<end>>", "", template, flags=re.DOTALL)
    return [line for line in without.splitlines() if line.strip() and not PLACE.search(line)]


@pytest.mark.parametrize("line", fixed_lines())
def test_the_page_is_of_its_template(line: str):
    assert line in PAGE.splitlines(), (
        "run: python examples/study/study.py --tiny --page docs/study.md"
    )


def test_nothing_is_left_to_fill_in_and_no_finding_is_contradicted():
    assert not PLACE.search(PAGE)
    assert "{warning}" not in PAGE
    assert "nan" not in re.findall(r"\w+", PAGE)


def test_its_figures_are_there_and_small():
    figures = re.findall(r"\]\((study-[\w-]+\.svg)\)", PAGE)
    assert figures
    assert all((ROOT / "docs" / name).stat().st_size < 300_000 for name in figures)
