"""The dashboard's files: complete, offline, without markup made of data, in readable colours."""

from __future__ import annotations

import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

import chronotick
from chronotick.fusion.horizons import HORIZONS_S
from chronotick.lab.reporting.palette import COLOURS, KNOWN

PAGE = Path(chronotick.__file__).parent / "http" / "page"
INDEX = (PAGE / "index.html").read_text(encoding="utf-8")
CSS = (PAGE / "page.css").read_text(encoding="utf-8")
OWN = sorted(set(PAGE.glob("*.js")) - {PAGE / "uPlot.iife.min.js"})
SCRIPTS = {path.name: path.read_text(encoding="utf-8") for path in OWN}
UPLOT = {  # of uPlot 1.6.32 as its authors published it
    "uPlot.iife.min.js": "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
    "uPlot.min.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
}


class Elements(HTMLParser):
    """All elements of the page, with their attributes, and the text of scripts and styles."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.inline: list[str] = []
        self.feed(INDEX)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.found and self.found[-1][0] in {"script", "style"} and data.strip():
            self.inline.append(data)


ELEMENTS = Elements()


def test_every_file_that_is_loaded_is_there_and_every_file_is_loaded():
    named = {
        address
        for _, attributes in ELEMENTS.found
        for key, address in attributes.items()
        if key in {"src", "href"} and address and not address.startswith("#")
    }
    imported = {f"static/{name}" for text in SCRIPTS.values() for name in imports(text)}
    there = {f"static/{path.name}" for path in PAGE.iterdir() if path.name != "index.html"}
    assert named | imported == there - {"static/uPlot.LICENSE.txt"}


def imports(script: str) -> list[str]:
    return re.findall(r'from "\./([^"]+)"', script)


def test_nothing_comes_from_elsewhere():
    texts = {"index.html": INDEX, "page.css": CSS, **SCRIPTS}
    outside = {
        (name, address)
        for name, text in texts.items()
        for address in re.findall(r"(?:https?:|wss?:)?//[\w.-]+\.\w+[^\s\"']*", text)
    }
    assert outside == {("elements.js", "http://www.w3.org/2000/svg")}  # the name of SVG


def test_no_script_or_style_is_in_the_page():
    assert ELEMENTS.inline == []
    attributes = {key for _, each in ELEMENTS.found for key in each}
    assert not {key for key in attributes if key == "style" or key.startswith("on")}


@pytest.mark.parametrize("name", SCRIPTS)
def test_no_text_is_read_as_markup_or_code(name: str):
    forbidden = (
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\b|Function\("
    )
    assert re.findall(forbidden, SCRIPTS[name]) == []


def test_what_scripts_look_for_is_in_the_page():
    there = [attributes["id"] for _, attributes in ELEMENTS.found if "id" in attributes]
    assert len(there) == len(set(there))
    wanted = {
        name for text in SCRIPTS.values() for name in re.findall(r'\b(?:find|say)\("([^"]+)"', text)
    }
    assert wanted
    assert wanted <= set(there)


def test_every_field_has_a_label():
    labels = {attributes.get("for") for tag, attributes in ELEMENTS.found if tag == "label"}
    assert "token" in labels
    assert INDEX.count("<select") == len(
        re.findall(r"<label[^>]*>\s*<span>[^<]+</span>\s*<select", INDEX)
    )
    assert {"lang"} <= set(dict(ELEMENTS.found)["html"])


def test_uplot_is_what_its_authors_published_with_its_licence():
    for name, digest in UPLOT.items():
        assert hashlib.sha256((PAGE / name).read_bytes()).hexdigest() == digest
    assert "Leon Sorokin" in (PAGE / "uPlot.LICENSE.txt").read_text(encoding="utf-8")


def test_colours_are_those_of_reports():
    text = SCRIPTS["palette.js"]
    pairs = re.findall(r'\["(#\w{6})", "(#\w{6})"\]', text)
    assert pairs == list(COLOURS.items())
    known = re.search(r"KNOWN = \[(.*?)\];", text, re.DOTALL)
    assert known is not None
    assert tuple(re.findall(r'"([^"]+)"', known[1])) == KNOWN


def test_horizons_are_those_of_the_fusion():
    found = re.search(r"HORIZONS_S = \[([\d, ]+)\]", SCRIPTS["view-models.js"])
    assert found is not None
    assert tuple(map(float, found[1].split(","))) == HORIZONS_S


def test_dark_is_the_same_whether_chosen_or_the_systems():
    chosen, systems = (
        re.search(pattern + r" \{([^}]*)\}", CSS, re.DOTALL)
        for pattern in (r':root\[data-theme="dark"\]', r':root:not\(\[data-theme="light"\]\)')
    )
    assert chosen is not None
    assert systems is not None
    assert variables(chosen[1]) == variables(systems[1])


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(
    ("ink", "paper"),
    [
        *(("ink", "paper"), ("faint", "paper"), ("ink", "card"), ("faint", "card")),
        *(("warn-ink", "warn"), ("bad-ink", "bad"), ("good-ink", "good"), ("good-ink", "paper")),
        *(("bad-ink", "paper"), ("accent", "paper"), ("warn-ink", "paper"), ("bad-ink", "card")),
    ],
)
def test_text_can_be_read(theme: str, ink: str, paper: str):
    """Contrast of at least 4.5 (WCAG 2.2, success criterion 1.4.3)."""
    light = re.search(r":root \{([^}]*)\}", CSS)
    dark = re.search(r':root\[data-theme="dark"\] \{([^}]*)\}', CSS)
    assert light is not None
    assert dark is not None
    colours = variables(light[1]) | (variables(dark[1]) if theme == "dark" else {})
    lighter, darker = sorted(map(luminance, (colours[ink], colours[paper])), reverse=True)
    assert (lighter + 0.05) / (darker + 0.05) >= 4.5


def variables(block: str) -> dict[str, str]:
    return dict(re.findall(r"--([\w-]+): ([^;]+);", block))


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2.2 defines it."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
