"""The report in Markdown."""

from __future__ import annotations

import dataclasses

import pytest
from markdown_it import MarkdownIt

from chronotick.lab.reporting import Choices, write_markdown
from chronotick.lab.reporting.findings import find
from chronotick.lab.reporting.paper import paper
from chronotick.lab.reporting.tables import Table, cell, markdown, markdown_table

QUICK = Choices(bootstrap=50, metrics=("mae",))


@pytest.fixture(scope="module")
def text(findings) -> str:
    return paper(findings)


def rendered(text: str) -> str:
    return MarkdownIt("commonmark").enable("table").render(text)


def test_it_has_leaderboards_pairs_failures_and_how_it_was_made(text: str):
    titles = [line for line in text.splitlines() if line.startswith("#")]
    assert titles[0] == "# Comparison of models of clocks and series"
    assert "## Clock error against truth" in titles
    assert titles.count("### Leaderboard by MAE") == 2
    assert titles[-2:] == ["## Failures and problems", "## How this was made"]
    assert "chronotick compare --models kalman,chronos --traces 'traces/*.csv\\*'" not in text
    assert "chronotick compare --models kalman,chronos --traces 'traces/*.csv*'" in text


def test_every_table_is_a_table(text: str):
    html = rendered(text)
    assert html.count("<table>") == 14
    assert "| --- " not in html


def test_names_from_data_are_text(text: str):
    html = rendered(text)
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html


@pytest.mark.parametrize("bad", ["a|b", "`x`", "*y*", "[l](http://x)", "<b>", "c\nd", "\\|", "$m$"])
def test_any_name_stays_in_its_cell(bad: str):
    table = Table(caption=bad, columns=("model", bad), rows=[[cell(bad), cell("1")]])
    html = rendered(markdown_table(table))
    assert html.count("<td>") == 2
    for mark in ("<code>", "<em>", "<a ", "<b>", "<script"):
        assert mark not in html


def test_markdown_is_shown_as_it_is():
    assert rendered(markdown("2 * 3 * 4 <= 24 & [x]")) == ("<p>2 * 3 * 4 &lt;= 24 &amp; [x]</p>\n")


def test_a_command_with_backticks_cannot_leave_its_block(comparison):
    runs = [{"command": "echo ```\n# Title"}]
    html = rendered(paper(find(dataclasses.replace(comparison, runs=runs), QUICK)))
    assert "<h1>Title</h1>" not in html


def test_the_file_is_written(comparison, tmp_path):
    path = write_markdown(comparison, tmp_path / "report.md", choices=QUICK)
    assert path.read_text(encoding="utf-8").startswith("# Comparison")
