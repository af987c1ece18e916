"""The report as one HTML file."""

from __future__ import annotations

import dataclasses
import re
from html.parser import HTMLParser

import pytest

from chronotick.lab.reporting import Choices, write_html
from chronotick.lab.reporting.findings import find
from chronotick.lab.reporting.html import Html, data, embedded_json, tag
from chronotick.lab.reporting.page import page

QUICK = Choices(bootstrap=50, metrics=("mae",))
HOSTILE = "<script>alert(1)</script>"
TITLES = [
    "Leaderboard",
    "Models in pairs",
    "Error by horizon",
    "Calibration",
    "Example forecasts",
    "Latency against skill",
    "Trace by trace",
    "Failures and problems",
    "How to reproduce",
]


class Page(HTMLParser):
    """What is in a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.scripts: list[str] = []
        self.titles: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.texts: list[str] = []
        self._in: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in {"meta", "input", "br", "path"}:
            self._in.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._in:
            while self._in.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        where = self._in[-1] if self._in else ""
        if where == "script":
            self.scripts.append(data)
        elif where == "h2":
            self.titles.append(data)
        else:
            self.texts.append(data)


@pytest.fixture(scope="module")
def parsed(html: str) -> Page:
    return Page(html)


def test_sections_are_in_their_order(parsed: Page):
    assert parsed.titles == TITLES


def test_the_headline_comes_first(html: str):
    for words in ("chronos has the highest win rate", "6 hosts only", "480 windows"):
        assert 0 < html.index(words) < html.index("<h2>Leaderboard")


def test_nothing_is_loaded_from_anywhere(parsed: Page):
    loading = {"src", "srcset", "data", "poster", "action", "background"}
    assert not [each for each in parsed.attributes if each[1] in loading]
    links = [value for _tag, name, value in parsed.attributes if name == "href"]
    assert links
    assert all(link.startswith("#") for link in links)
    policy = [value for _t, name, value in parsed.attributes if name == "content"]
    assert any(value.startswith("default-src 'none'") for value in policy)


def test_plotly_is_in_it_once(parsed: Page):
    assert sum("plotly.js v" in script for script in parsed.scripts) == 1
    assert sum(len(script) > 1_000_000 for script in parsed.scripts) == 1


def test_names_from_data_are_text_wherever_they_stand(html: str, parsed: Page):
    assert HOSTILE not in html
    assert not [script for script in parsed.scripts if script.strip() == "alert(1)"]
    assert any("<script>alert(1)</script>" in text for text in parsed.texts)
    assert any("<b>" in text for text in parsed.texts)  # a trace that was left out
    assert any("no answer within 2 s <timeout>" in text for text in parsed.texts)


@pytest.mark.parametrize("where", ["model", "trace", "status", "run", "path"])
def test_hostile_text_is_harmless_everywhere(comparison, where: str):
    bad = "\"'><img src=x onerror=alert(1)><!--</script><script>alert(2)</script>&amp;"
    rows, traces, models, runs = comparison.rows, comparison.traces, comparison.models, []
    if where in {"model", "status"}:
        chosen = rows[where] == ("ttm" if where == "model" else "no answer within 2 s <timeout>")
        rows = rows.assign(**{where: rows[where].mask(chosen, bad)})
        models = {bad if name == "ttm" else name: each for name, each in models.items()}
    if where == "trace":
        rows = rows.assign(trace=rows["trace"].mask(rows["trace"] == "trace-2", bad))
    if where == "path":
        traces = [each | {"path": bad, "notes": [bad]} for each in traces]
    if where == "run":
        runs = [{"command": [bad], "versions": {bad: bad}, "ended": bad, "started": bad}]
    hostile = dataclasses.replace(comparison, rows=rows, traces=traces, models=models, runs=runs)
    text = page(find(hostile, QUICK))
    assert "<img" not in text
    tags = re.findall(r"<script[^>]*>", text)
    assert all(each == "<script>" or 'type="application/json"' in each for each in tags)
    assert sum(each == "<script>" for each in tags) == 2  # plotly's, and ours
    assert any(bad in part for part in Page(text).texts)


def test_the_first_choice_is_shown_and_the_others_hidden(parsed: Page):
    shown = html_panels(parsed)
    assert shown['{"target": "truth", "metric": "mae"}'] == {False}
    assert shown['{"target": "measured", "metric": "mae"}'] == {True}
    assert shown['{"target": "truth", "metric": "rmse"}'] == {True}


def html_panels(parsed: Page) -> dict[str, set[bool]]:
    found: dict[str, set[bool]] = {}
    for place, (_tag, name, value) in enumerate(parsed.attributes):
        if name == "data-when":
            following = parsed.attributes[place + 1 : place + 2]
            hidden = any(each[1] == "hidden" for each in following)
            found.setdefault(value, set()).add(hidden)
    return found


def test_how_examples_were_chosen_is_said(html: str):
    assert "How they were chosen." in html
    assert "ties go to the earlier one" in html


def test_a_file_is_written_whole_and_replaces_an_older_one(comparison, tmp_path):
    path = tmp_path / "new" / "report.html"
    assert write_html(comparison, path, choices=QUICK) == path
    path.write_text("old")
    write_html(comparison, path, choices=QUICK)
    text = path.read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>")
    assert text.endswith("</html>\n")
    assert [each.name for each in path.parent.iterdir()] == ["report.html"]


def test_a_page_of_many_traces_stays_small_and_says_what_it_leaves_out(make_comparison):
    many = make_comparison(windows=3, hosts=30, traces=60)
    text = page(find(many, Choices(bootstrap=20, metrics=("mae",), traces=5)))
    assert "5 traces of 60 can be looked at here, evenly chosen by name" in text
    assert len(text) < 7_000_000  # plotly alone is 4.8


def test_elements_escape_what_is_not_html():
    assert tag("p", "a < b", Html("<b>x</b>")) == "<p>a &lt; b<b>x</b></p>"
    assert tag("p", title='"><script>') == '<p title="&quot;&gt;&lt;script&gt;"></p>'
    assert tag("p", hidden=True, title=False) == "<p hidden></p>"
    assert tag("p", "95 % of") == "<p>95\u00a0% of</p>"


def test_json_cannot_end_its_element():
    text = data("name", {"key": "</script><!--\u2028"})
    assert text.count("</script>") == 1
    assert "<!--" not in text
    assert "\u2028" not in text
    assert embedded_json("a", "[]").startswith('<script type="application/json" id="a">')
