"""From numbers to a page: a template with every ``<<name:format>>`` filled in.

What stands between ``<<if name>>`` and ``<<end>>`` is there only if that is not 0.
"""
# ruff: noqa: INP001 - a program, not a package

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_PLACE = re.compile(r"<<(\w+)(?::([^>]+))?>>")
_PART = re.compile(r"<<if (\w+)>>\n(.*?)<<end>>\n", re.DOTALL)


def page(
    template: Path,
    known: Mapping[str, Any],
    tables: Mapping[str, str],
    contradicted: Sequence[str],
) -> str:
    """Return the page.

    Args:
        template: of it.
        known: numbers by name.
        tables: tables by name.
        contradicted: findings that the numbers do not bear out; said first.
    """
    values = {**known, **tables, "contradicted": _warning(contradicted)}
    written = template.read_text(encoding="utf-8")
    text = _PART.sub(lambda match: match[2] if values[match[1]] else "", written)
    return _PLACE.sub(lambda match: _told(values[match[1]], match[2] or ""), text)


def _told(value: Any, form: str) -> str:  # noqa: ANN401 - a number or text
    return format(value, form).replace("%", " %") if form else str(value)


def _warning(contradicted: Sequence[str]) -> str:
    if not contradicted:
        return ""
    listed = "\n".join(f"- {words}" for words in contradicted)
    return (
        "\n:::{warning}\nThese findings were written for other numbers, and those below do not "
        f"bear them out:\n\n{listed}\n:::\n"
    )
