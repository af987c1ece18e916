"""The pages as a reader meets them: blocks of code, what is said of running them, and links.

A comment that stands before a block, and that readers of the page do not see, says what becomes
of it in ``test_documents_live.py``:

``<!-- not run: it needs a GPU -->``
    the block is not run, for that reason;
``<!-- not run: `chronotick run`: it asks public servers -->``
    its lines that begin so are not run;
``<!-- run by test_name -->``
    another test runs it;
``<!-- run after: chronotick lab simulate dc-calm --out worlds -->``
    what the block supposes to be there is made by this first;
``<!-- run with 1h for 3d, 2 for 20 -->``
    it is run with other words, which take less time.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parent.parent
PAGES = {
    str(path.relative_to(ROOT)): path
    for pattern in ("*.md", "docs/*.md", "plugins/*/README.md", "examples/**/README.md")
    for path in sorted(ROOT.glob(pattern))
}
GENERATED = {"docs/commands.md"}  # its blocks are what --help prints; test_commands_documented.py
WRITTEN = sorted(PAGES.keys() - GENERATED)
SHELLS = ("bash", "console", "sh")
_BEGINS_COMMAND = re.compile(
    r"(\$ |[A-Z_]+=\S+ )*(\(umask|sudo|cd|chronotick|curl|docker|echo|kubectl|make|pip|pytest|"
    r"python|python3|runuser|\S*/bin/\w+)( |$)"
)
_MARK = re.compile(r"<!-- (not run:|run by|run after:|run with) (.*?) ?-->", re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A block of code of a page.

    Attributes:
        page: path of the page, from the root of the repository.
        line: its first line, counted from 1.
        language: what stands behind its fence; empty: it is indented, or says nothing.
        text: what stands in it.
        marks: what stands in comments before it: what is said, and of what.
    """

    page: str
    line: int
    language: str
    text: str
    marks: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    def marked(self, kind: str) -> list[str]:
        """What the comments of one kind say."""
        return [words for key, words in self.marks if key == kind]

    @property
    def is_shell(self) -> bool:
        """Whether it is made of commands."""
        if self.language in SHELLS:
            return True
        first = self.text.lstrip().partition("\n")[0]
        return self.language in {"", "text"} and bool(_BEGINS_COMMAND.match(first))

    @property
    def left_out(self) -> bool:
        """Whether the page says that it is not run, or that another test does."""
        reasons = self.marked("not run:")
        return bool(self.marked("run by")) or any(not r.startswith("`") for r in reasons)

    @property
    def lines_left_out(self) -> tuple[str, ...]:
        """How the lines begin that are not run."""
        reasons = " ".join(r for r in self.marked("not run:") if r.startswith("`"))
        return tuple(re.findall(r"`([^`]+)`", reasons))

    @property
    def replaced(self) -> list[tuple[str, str]]:
        """Words of the page, each with those that it is run with in their place."""
        pairs = [
            pair.partition(" for ") for said in self.marked("run with") for pair in said.split(", ")
        ]
        return [(old, new) for new, _, old in pairs]

    def as_run(self, text: str) -> str:
        """A line of it, or all, with the words that it is run with."""
        for old, new in self.replaced:
            text = text.replace(old, new)
        return text


@cache
def blocks(page: str) -> tuple[Block, ...]:
    """All blocks of code of a page, in their order; directives are Sphinx's business."""
    found: list[Block] = []
    marks: list[tuple[str, str]] = []
    for token in _tokens(page):
        if token.type == "html_block":
            said = [(kind, " ".join(words.split())) for kind, words in _MARK.findall(token.content)]
            marks.extend(said)
        elif token.type in {"fence", "code_block"} and not token.info.startswith("{"):
            line = (token.map or [0])[0] + 1
            found.append(Block(page, line, token.info.strip(), token.content, tuple(marks)))
            marks.clear()
        elif token.type in {"paragraph_open", "heading_open"} and marks:
            raise ValueError(f"{page}:{(token.map or [0])[0]}: no block follows {marks}")
    return tuple(found)


@cache
def _tokens(page: str) -> tuple[Token, ...]:
    return tuple(MarkdownIt("commonmark").enable("table").parse(PAGES[page].read_text("utf-8")))


@dataclass(frozen=True)
class Command:
    """A line of a shell, and what a page says it prints."""

    line: str
    output: str = ""


def commands(block: Block) -> Iterator[Command]:
    """The lines of a block as a shell would read them, without prompts."""
    indented = r"|\n +" if block.language == "text" else ""  # shown in several lines
    text = re.sub(rf"\\\n\s*{indented}", " ", block.text)
    if not any(line.startswith("$ ") for line in text.splitlines()):
        yield from (Command(line) for line in text.splitlines() if line.strip())
        return
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        line, _, output = part.partition("\n")
        yield Command(line, output)


def json_documents(text: str) -> list[dict[str, Any]]:
    """What stands in a text of JSON, one document after the other."""
    found, decoder = [], json.JSONDecoder()
    while text := text.lstrip():
        document, end = decoder.raw_decode(text)
        found.append(document)
        text = text[end:]
    return found


@cache
def spans(page: str) -> tuple[str, ...]:
    """What stands between backticks in the sentences and tables of a page."""
    tokens = (child for token in _tokens(page) for child in token.children or ())
    return tuple(token.content for token in tokens if token.type == "code_inline")


@dataclass(frozen=True)
class Link:
    """A link or an image of a page."""

    page: str
    line: int
    target: str


@cache
def links(page: str) -> tuple[Link, ...]:
    """Where the links and images of a page lead."""
    return tuple(
        Link(page, (token.map or [0])[0] + 1, str(target))
        for token in _tokens(page)
        for child in token.children or ()
        if (target := child.attrs.get("href") or child.attrs.get("src"))
    )


@cache
def anchors(path: Path) -> frozenset[str]:
    """What a link into a page may name: its headings, and what it marks itself."""
    tokens = MarkdownIt("commonmark").enable("table").parse(path.read_text("utf-8"))
    seen: list[str] = []
    for token, following in itertools.pairwise(tokens):
        if token.type == "heading_open":
            name = _slug(_plain(following))
            again = seen.count(name)
            seen.append(name)
            seen.extend([f"{name}-{again}"] * bool(again))
    return frozenset(seen) | set(re.findall(r"^\((.+)\)=$", path.read_text("utf-8"), re.MULTILINE))


def _plain(heading: Token) -> str:
    children = heading.children or ()
    return "".join(child.content for child in children if child.type in {"text", "code_inline"})


def _slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
