"""The report in a real browser: figures are drawn, selectors and sorting work."""

from __future__ import annotations

import re

import pytest

pytestmark = [pytest.mark.chromium, pytest.mark.timeout(300)]


def of_root(dom: str, name: str) -> str | None:
    """An attribute of the page's root, where its script says how it went."""
    root = re.search(r"<html[^>]*>", dom)
    assert root is not None
    found = re.search(rf'data-{name}="([^"]*)"', root.group())
    return None if found is None else found.group(1)


def with_script(html: str, script: str) -> str:
    """A page in which a reader does something."""
    return html.replace("</body>", f"<script>{script}</script></body>")


def drawn(dom: str) -> set[str]:
    """Names of the figures that were drawn."""
    plots = re.findall(r'<div class="plot[^"]*"[^>]*>', dom)
    return {re.search(r'data-figure="([^"]*)"', plot)[1] for plot in plots if "data-drawn" in plot}


def test_figures_are_drawn_and_no_script_fails(html, render):
    dom = render(html)
    assert of_root(dom, "errors") is None
    names = drawn(dom)
    assert of_root(dom, "drawn") == str(len(names))
    assert {
        "win-rate-truth-mae",
        "skill-truth-mae",
        "pairwise-truth-mae",
        "mean-ranks-truth-mae",
        "relative-error-by-horizon-truth-mae",
        "error-by-horizon-truth-mae",
        "calibration-truth",
        "deciles-truth",
        "example-truth-1-typical",
        "latency-against-skill-truth-mae",
        "over-time-truth-1-64-s",
    } <= names
    assert not any("measured" in name for name in names)
    assert len(re.findall(r'<svg class="main-svg"', dom)) >= len(names)
    assert dom.count('class="point"') > 100  # marks of curves


def test_a_reader_chooses_sorts_and_hides(html, render):
    """One page for all, since a browser takes seconds to start."""
    script = """
    const choose = (name, value) => {
      const select = document.querySelector(`select[data-choice=${name}]`);
      select.value = value;
      select.dispatchEvent(new Event("change", { bubbles: true }));
    };
    choose("target", "measured");
    choose("metric", "sql_drift");
    choose("horizon", "1 h");
    const board = document.querySelector("#leaderboard [data-when]:not([hidden]) table");
    const titles = [...board.tHead.querySelectorAll("button")];
    const model = () => board.tBodies[0].rows[0].children[0].textContent;
    const said = {};
    titles.find((each) => each.textContent === "latency p50").click();
    said.slowest = model();
    titles.find((each) => each.textContent === "latency p50").click();
    said.fastest = model();
    titles[0].click();
    said.alphabetic = model();
    document.querySelector(".legend button[data-model=kalman]").click();
    said.pressed = document.querySelectorAll(".legend [aria-pressed=false]").length;
    setTimeout(() => {
      const curves = document.querySelectorAll("[data-figure=calibration-measured] .trace.scatter");
      said.curves = curves.length;
      document.documentElement.dataset.said = JSON.stringify(said);
    }, 3000);
    """
    dom = render(with_script(html, script))
    assert of_root(dom, "errors") is None
    names = drawn(dom)
    assert {"win-rate-measured-sql-drift", "over-time-measured-1-1-h"} <= names
    said = of_root(dom, "said")
    assert said is not None
    said = said.replace("&quot;", '"')
    assert '"slowest":"timesfm"' in said
    assert '"fastest":"naive"' in said
    assert '"alphabetic":"chronos"' in said
    assert '"curves":7' in said  # eight models, one hidden
    assert int(re.search(r'"pressed":(\d+)', said)[1]) > 4


@pytest.mark.parametrize("wide", [1300, 1900])
def test_the_leaderboard_is_whole_on_a_usual_screen_and_uses_it(html, render, wide: int):
    """Its last columns were cut off at any width, beside empty space."""
    script = f"""
    document.body.style.width = "{wide}px";
    const board = document.querySelector("#leaderboard [data-when]:not([hidden]) .scroll");
    document.documentElement.dataset.said = [board.scrollWidth, board.clientWidth].join(" ");
    """
    said = of_root(render(with_script(html, script)), "said")
    assert said is not None
    needed, there = map(int, said.split())
    assert needed <= there
    assert there > wide - 60


def test_a_script_that_fails_is_noticed(html, render):
    dom = render(with_script(html, "null.x"))
    assert "null" in (of_root(dom, "errors") or "")
