"""Pages on studies are those of their templates, and their numbers are all filled in."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
STUDY = ROOT / "examples" / "study"
PLACE = re.compile(r"<<[^>]+>>")
STUDIES = {
    "study": ("page.md", "python examples/study/study.py --tiny --page docs/study.md", ("real",)),
    "weights": (
        "weights.md",
        "python examples/study/weights.py --real DIR --page docs/weights.md",
        ("hub",),
    ),
}
"""Page, template, command, and the parts of the template that the command leaves out."""


def page(name: str) -> str:
    return (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")


def fixed_lines() -> list[tuple[str, str]]:
    """Lines of the templates that no number changes, of what stands on the page by the command."""
    found = []
    for name, (template, _command, absent) in STUDIES.items():
        text = (STUDY / template).read_text(encoding="utf-8")
        for part in absent:
            text = re.sub(rf"<<if {part}>>.*?<<end>>", "", text, flags=re.DOTALL)
        lines = [line for line in text.splitlines() if line.strip() and not PLACE.search(line)]
        found += [(name, line) for line in lines]
    return found


@pytest.mark.parametrize(("name", "line"), fixed_lines())
def test_the_page_is_of_its_template(name: str, line: str):
    assert line in page(name).splitlines(), f"run: {STUDIES[name][1]}"


@pytest.mark.parametrize("name", STUDIES)
def test_nothing_is_left_to_fill_in_and_no_finding_is_contradicted(name: str):
    assert not PLACE.search(page(name))
    assert "{warning}" not in page(name)
    assert "nan" not in re.findall(r"\w+", page(name))


def test_its_figures_are_there_and_small():
    figures = re.findall(r"\]\((study-[\w-]+\.svg)\)", page("study"))
    assert figures
    assert all((ROOT / "docs" / name).stat().st_size < 300_000 for name in figures)
