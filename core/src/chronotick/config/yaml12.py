"""YAML read the way people mean it: numbers of YAML 1.2, line numbers, no key given twice.

PyYAML follows YAML 1.1, where ``1e-9`` is text, ``12:30`` is 750 and ``2026-11-20`` a date.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

Steps = tuple[str | int, ...]
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(
    r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.inf|\.nan", re.IGNORECASE
)
_LONGEST = 80  # characters of a value that a message repeats
_BASES = {"0o": 8, "0x": 16}


class YamlError(Exception):
    """Raised when a text is not the YAML it should be.

    Attributes:
        line: where, from 1, if known.
        column: where, from 1, if known.
    """

    def __init__(self, message: str, line: int | None = None, column: int | None = None) -> None:
        super().__init__(message)
        self.line = line
        self.column = column


@dataclass(slots=True)
class Document:
    """A text's value and where its parts stand.

    Attributes:
        value: mappings, lists and scalars.
        lines: line of each key and list item, by the steps that lead to it.
        duplicates: keys given more than once: steps, first line, other line.
    """

    value: Any = None
    lines: dict[Steps, int] = field(default_factory=dict)
    duplicates: list[tuple[Steps, int, int]] = field(default_factory=list)


class _Loader(yaml.SafeLoader):
    """SafeLoader with its own table of implicit types."""


_Loader.yaml_implicit_resolvers = {
    first: [pair for pair in pairs if pair[0].rpartition(":")[2] in {"bool", "null", "merge"}]
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_DIGITS = list("-+.0123456789")
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(f"^(?:{_INT.pattern})$"), _DIGITS)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(f"^(?:{_FLOAT.pattern})$", re.IGNORECASE), _DIGITS
)


def _construct_int(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    text = str(loader.construct_scalar(node))
    return int(text, _BASES.get(text[:2], 10))


def _construct_float(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> float:
    text = str(loader.construct_scalar(node)).lower()
    return float(text.replace(".inf", "inf").replace(".nan", "nan"))


_Loader.add_constructor("tag:yaml.org,2002:int", _construct_int)
_Loader.add_constructor("tag:yaml.org,2002:float", _construct_float)


def parse(text: str) -> Document:
    """Read one YAML document.

    Raises:
        YamlError: the text is not YAML, or uses what a configuration has no use for
            (Python tags, references to itself).
    """
    loader = _Loader(text) if _readable(text) else None
    document = Document()
    if loader is None:
        return document
    try:
        node = loader.get_single_node()
        document.value = None if node is None else _Walk(loader, document).value(node, (), ())
    except yaml.MarkedYAMLError as error:
        raise _described(error) from error
    except RecursionError as error:
        raise YamlError("nested too deeply") from error
    finally:
        loader.dispose()
    return document


def dump(value: object) -> str:
    """A value on one line of YAML."""
    plain = str(value) if isinstance(value, Path) else value
    text = yaml.safe_dump(plain, default_flow_style=True, width=10**6, allow_unicode=True)
    return str(text).removesuffix("\n").removesuffix("\n...")


def quoted(value: object) -> str:
    """A value as messages show it: as it stands in the file, text in quotes, never very long."""
    try:
        text = repr(value) if isinstance(value, str) else dump(value)
    except yaml.YAMLError:  # an object of Python, given by a caller instead of a file
        text = repr(value)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "..."


def _readable(text: str) -> bool:
    """Whether there is anything to read; characters YAML forbids are reported with a line."""
    found = yaml.reader.Reader.NON_PRINTABLE.search(text)
    if found is None:
        return bool(text)
    line = text.count("\n", 0, found.start()) + 1
    column = found.start() - text.rfind("\n", 0, found.start())
    raise YamlError(f"the character {found[0]!r} is not allowed in YAML", line, column)


def _described(error: yaml.MarkedYAMLError) -> YamlError:
    mark = error.problem_mark or error.context_mark
    message = ", ".join(part for part in (error.context, error.problem) if part)
    if "'\\t'" in message:
        message += " (a tab: indent with spaces)"
    if mark is None:
        return YamlError(message)
    return YamlError(message, mark.line + 1, mark.column + 1)


class _Walk:
    """One walk over a document's nodes, which fills in its lines and duplicates."""

    def __init__(self, loader: _Loader, document: Document) -> None:
        self._loader = loader
        self._document = document

    def value(self, node: yaml.Node, steps: Steps, above: tuple[yaml.Node, ...]) -> object:
        if any(node is parent for parent in above):
            raise YamlError("an alias refers to what contains it", node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, steps, (*above, node))
        if isinstance(node, yaml.SequenceNode):
            return self._sequence(node, steps, (*above, node))
        return self._scalar(node)

    def _scalar(self, node: yaml.Node) -> object:
        try:
            return self._loader.construct_object(node)
        except ValueError as error:  # an explicit tag that the text does not fit: !!int x
            line = node.start_mark.line + 1
            raise YamlError(str(error), line, node.start_mark.column + 1) from error

    def _sequence(
        self, node: yaml.SequenceNode, steps: Steps, above: tuple[yaml.Node, ...]
    ) -> list[object]:
        items = []
        for index, item in enumerate(node.value):
            here = (*steps, index)
            self._document.lines[here] = item.start_mark.line + 1
            items.append(self.value(item, here, above))
        return items

    def _mapping(
        self, node: yaml.MappingNode, steps: Steps, above: tuple[yaml.Node, ...]
    ) -> dict[str, object]:
        self._note_duplicates(node, steps)
        self._loader.flatten_mapping(node)
        result = {}
        for key, child in node.value:
            name = self._name(key)
            here = (*steps, name)
            self._document.lines[here] = key.start_mark.line + 1
            result[name] = self.value(child, here, above)
        return result

    def _note_duplicates(self, node: yaml.MappingNode, steps: Steps) -> None:
        seen: dict[str, int] = {}
        for key, _ in node.value:
            name, line = self._name(key), key.start_mark.line + 1
            if name in seen:
                self._document.duplicates.append(((*steps, name), seen[name], line))
            seen.setdefault(name, line)

    def _name(self, key: yaml.Node) -> str:
        if isinstance(key, yaml.ScalarNode):
            return str(key.value)
        mark = key.start_mark
        raise YamlError("a key must be a plain word", mark.line + 1, mark.column + 1)
