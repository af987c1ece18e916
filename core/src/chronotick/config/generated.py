"""Sections that are written by programs, on pages that people write."""

from __future__ import annotations

from pathlib import Path
from typing import Final

END: Final = "<!-- The end of what is written. -->"


def begin(module: str, source: str) -> str:
    """Return the mark where a section begins.

    Args:
        module: what writes the section, run as ``python -m``.
        source: what it is made from, in a word or two.
    """
    return f"<!-- Written by `python -m {module} .`: change {source}, not this. -->"


def renewed(root: Path, page: str, mark: str, section: str) -> str:
    """Return a page's text with the section between its marks written anew.

    Args:
        root: the repository.
        page: the page's path from there.
        mark: where the section begins, of :func:`begin`.
        section: what is to stand there, as Markdown.

    Raises:
        ValueError: the page has no such marks.
    """
    before, found, rest = (root / page).read_text(encoding="utf-8").partition(mark)
    _, end, after = rest.partition(END)
    if not found or not end:
        raise ValueError(f"{page}: the marks of the written section are missing")
    return f"{before}{mark}\n\n{section}\n{END}{after}"
