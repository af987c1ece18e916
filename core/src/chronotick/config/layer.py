"""One layer of the configuration, checked against the schema's tree of keys."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from chronotick.config.errors import Origin, Problem
from chronotick.config.keys import Key, Outline, Path, keys, outline
from chronotick.config.retired import RETIRED
from chronotick.config.yaml12 import quoted

Steps = tuple[str | int, ...]
Locate = Callable[[Steps], Origin]


@dataclass(slots=True)
class Layer:
    """What one file, the environment or the command line says.

    Attributes:
        values: value by path of its key (entries of ``workers.checkpoints`` one by one).
        origins: where each key, section and list item stands.
        problems: what could not be understood.
    """

    values: dict[Path, Any] = field(default_factory=dict)
    origins: dict[Steps, Origin] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def add(self, tree: Mapping[str, Any], locate: Locate) -> None:
        """Take over a tree of sections, key by key.

        Args:
            tree: nested mappings as they were written.
            locate: tells where the key or item at some steps stands.
        """
        self._section(tree, outline(), (), locate)

    def _section(
        self, tree: Mapping[str, Any], section: Outline, path: Path, locate: Locate
    ) -> None:
        for name, value in tree.items():
            here = (*path, str(name))
            self.origins[here] = locate(here)
            child = section.children.get(str(name))
            if child is None:
                self.problems.append(unknown_key(here, section, locate(here)))
            elif isinstance(child, Key):
                self._leaf(child, value, locate)
            elif isinstance(value, Mapping):
                self._section(value, child, here, locate)
            elif value is not None:  # `clock:` with everything commented out says nothing
                self.problems.append(_not_a_section(here, value, child, locate(here)))

    def _leaf(self, key: Key, value: object, locate: Locate) -> None:
        if key.nested and isinstance(value, Mapping):
            self._entries(key, value, locate)
            return
        self.values[key.path] = value
        self._items(key.path, value, locate)

    def _items(self, path: Path, value: object, locate: Locate) -> None:
        if isinstance(value, list):
            items: list[Steps] = [(*path, index) for index in range(len(value))]
            self.origins |= {item: locate(item) for item in items}

    def _entries(self, key: Key, entries: Mapping[str, object], locate: Locate) -> None:
        for name, value in entries.items():
            here = (*key.path, str(name))
            self.origins[here] = locate(here)
            if key.entry is None:
                self.values[here] = value
            elif isinstance(value, Mapping) or value is None:
                self.values[here] = self._entry(value or {}, key.entry, here, locate)
            else:
                self.problems.append(_not_a_section(here, value, key.entry, locate(here)))

    def _entry(
        self, tree: Mapping[str, object], section: Outline, path: Path, locate: Locate
    ) -> dict[str, object]:
        """What is known of an entry: unlike a section's keys it is replaced as a whole."""
        known: dict[str, object] = {}
        for name, value in tree.items():
            here = (*path, str(name))
            self.origins[here] = locate(here)
            if str(name) in section.children:
                known[str(name)] = value
                self._items(here, value, locate)
            else:
                self.problems.append(unknown_key(here, section, locate(here)))
        return known


def unknown_key(path: Path, section: Outline, origin: Origin) -> Problem:
    """The problem of a key that the schema does not have, with the key that was probably meant."""
    dotted = ".".join(path)
    if dotted in RETIRED:
        return Problem("no longer used", dotted, origin, advice=RETIRED[dotted])
    return Problem("unknown key", dotted, origin, advice=_suggestion(path, section))


def _suggestion(path: Path, section: Outline) -> str:
    near = difflib.get_close_matches(path[-1].lower(), section.children, n=1, cutoff=0.6)
    meant = [".".join((*path[:-1], near[0]))] if near else _elsewhere(path[-1])
    if meant:
        return f"Did you mean {' or '.join(meant)}?"
    return f"Keys here: {', '.join(section.children)}"


def _elsewhere(name: str) -> list[str]:
    """The key of that name in other sections: a right key at the wrong indentation."""
    sections = {key.path[:end] for key in keys() for end in range(1, len(key.path))}
    paths = [key.path for key in keys()] + sorted(sections)
    return [".".join(path) for path in paths if path[-1] == name.lower()][:3]


def _not_a_section(path: Path, value: object, section: Outline, origin: Origin) -> Problem:
    names = ", ".join(section.children)
    return Problem(
        f"got {quoted(value)}", ".".join(path), origin, accepted=f"a section with: {names}"
    )


def nested(path: Path, value: object) -> dict[str, object]:
    """``("a", "b"), 1`` as ``{"a": {"b": 1}}``."""
    *above, last = path
    tree: dict[str, object] = {last: value}
    for name in reversed(above):
        tree = {name: tree}
    return tree
