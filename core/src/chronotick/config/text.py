"""The configuration written out: the commented template, and what is in force."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from chronotick.config.keys import Key, Outline, outline
from chronotick.config.loading import Loaded
from chronotick.config.yaml12 import dump

_INDENT = "  "
_WIDTH = 96
_HEADER = """\
# ChronoTick: every key with its default, for anyone who starts from nothing.
#
# A key is set by removing the `#` in front of it; what stays commented out keeps its default, also
# when a later version finds a better one. Check with `chronotick config check FILE`, see what is in
# force and why with `chronotick config show --origin`.
"""


def template() -> str:
    """A complete configuration file: every key described, its default commented out."""
    return _HEADER + "\n".join(_section_lines(outline(), 0)) + "\n"


def show(loaded: Loaded, *, origin: bool = False) -> str:
    """The configuration in force, as YAML that can be loaded again.

    Args:
        loaded: what :func:`chronotick.config.load` returned.
        origin: end each line with a comment that says where the value comes from.
    """
    lines: list[str] = []
    above: tuple[str, ...] = ()
    for dotted, value, source in loaded.leaves():
        path = tuple(dotted.split("."))
        if path[-1] == "model_name":
            continue  # `models` says it
        lines += _headings(above, path)
        text = f"{_INDENT * (len(path) - 1)}{path[-1]}: {dump(value)}"
        lines.append(f"{text}  # {source}" if origin else text)
        above = path[:-1]
    return "\n".join(lines) + "\n"


def _headings(above: tuple[str, ...], path: tuple[str, ...]) -> Iterator[str]:
    """Lines that open the sections in which the previous key was not."""
    for depth in range(len(path) - 1):
        if above[: depth + 1] != path[: depth + 1]:
            yield f"{_INDENT * depth}{path[depth]}:"


def _section_lines(section: Outline, depth: int) -> Iterator[str]:
    for name, child in section.children.items():
        if isinstance(child, Key):
            yield from _key_lines(child, depth)
            continue
        if depth == 0:
            yield ""
        yield from _comment(child.description, depth)
        yield f"{_INDENT * depth}{name}:"
        yield from _section_lines(child, depth + 1)


def _key_lines(key: Key, depth: int) -> Iterator[str]:
    yield from _comment(key.description, depth)
    yield from _comment(f"Accepted: {key.accepted}.", depth)
    yield f"{_INDENT * depth}#{key.path[-1]}: {dump(key.default)}"


def _comment(text: str, depth: int) -> list[str]:
    prefix = f"{_INDENT * depth}# "
    return textwrap.wrap(
        text, _WIDTH, initial_indent=prefix, subsequent_indent=prefix, break_long_words=False
    )
