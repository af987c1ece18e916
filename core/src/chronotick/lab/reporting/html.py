"""HTML that is escaped unless it was made here: nothing that comes from data can become code."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable
from typing import Any, Final

_VOID: Final = frozenset({"input", "meta", "br", "path", "line"})
_PERCENT: Final = re.compile(r"(?<=\d) %")
_UNSAFE: Final = {
    "<": "\\u003c",
    ">": "\\u003e",
    "&": "\\u0026",
    "\u2028": "\\u2028",
    "\u2029": "\\u2029",
}


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def tag(element: str, /, *content: str, **attributes: str | bool) -> Html:
    """Return an element; contents that are not :class:`Html` are escaped.

    Args:
        element: its name.
        content: what is in it.
        attributes: ``class_`` is ``class``, ``data_target`` is ``data-target``; true ones have no
            value, false ones are left out.
    """
    told = "".join(_attribute(key, value) for key, value in attributes.items())
    if element in _VOID:
        return Html(f"<{element}{told}/>")
    return Html(f"<{element}{told}>{joined(content)}</{element}>")


def joined(content: Iterable[str]) -> Html:
    """Return contents behind each other."""
    return Html("".join(map(escaped, content)))


def escaped(text: str) -> Html:
    """Return text as HTML; a number and its percent sign stay in one line."""
    if isinstance(text, Html):
        return text
    return Html(_PERCENT.sub("\u00a0%", html.escape(text)))


def data(name: str, value: Any) -> Html:  # noqa: ANN401 - any JSON type
    """Return an element that holds JSON for the page's script."""
    return embedded_json(name, json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def embedded_json(name: str, text: str) -> Html:
    """Return an element that holds JSON, none of whose characters can end it."""
    for character, harmless in _UNSAFE.items():
        text = text.replace(character, harmless)
    return Html(f'<script type="application/json" id="{html.escape(name)}">{text}</script>')


def _attribute(key: str, value: str | bool) -> str:
    name = key.rstrip("_").replace("_", "-")
    if value is False:
        return ""
    return f" {name}" if value is True else f' {name}="{html.escape(value)}"'
