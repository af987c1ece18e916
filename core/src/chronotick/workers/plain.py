"""A stranger's words, as they may be shown on a terminal and kept in a log."""

from __future__ import annotations

from typing import Final

_LONGEST_LINE: Final = 800  # with the command that helps: it comes last
_LONGEST_TEXT: Final = 8_000


def plain(text: str) -> str:
    """One line: printable, never long."""
    return _printable(text[:_LONGEST_LINE]).strip()


def plain_lines(text: str) -> str:
    """Several lines, the last ones if there are too many: printable, never long."""
    lines = text[-_LONGEST_TEXT:].split("\n")
    return "\n".join(map(_printable, lines))


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text)
