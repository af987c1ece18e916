"""The schema as a flat table of keys, for everything that has to name, check or describe them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from chronotick.config.schema import Config

Path = tuple[str, ...]
_NOUNS = {
    "boolean": "true, false",
    "integer": "whole number",
    "null": "null",
    "number": "number",
    "path": "path",
    "string": "text",
}


@dataclass(frozen=True, slots=True)
class Key:
    """One key of the configuration.

    Attributes:
        path: names of its sections and its own.
        description: what it is for.
        accepted: what values it takes, with the unit.
        default: its default, as it would be written in a file; ``None`` where that is the default.
        nested: its value is a mapping whose entries are set one by one (``workers.checkpoints``).
        entry: what each of those entries contains, where they are sections (``workers.remote``).
    """

    path: Path
    description: str
    accepted: str
    default: Any
    nested: bool
    entry: Outline | None = None

    @property
    def dotted(self) -> str:
        """The path as people write it."""
        return ".".join(self.path)

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return "CHRONOTICK_" + "__".join(self.path).upper()


@dataclass(frozen=True, slots=True)
class Outline:
    """A section: its description and, in order, what it contains."""

    description: str
    children: Mapping[str, Outline | Key]


def json_schema() -> dict[str, Any]:
    """The configuration's JSON schema (draft 2020-12), for editors."""
    schema = Config.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


@cache
def outline() -> Outline:
    """The tree of sections and keys."""
    schema = json_schema()
    return _section(schema, schema["$defs"], ())


@cache
def keys() -> tuple[Key, ...]:
    """All keys, in the order of the schema."""
    return tuple(_keys_of(outline()))


def _keys_of(section: Outline) -> Iterator[Key]:
    for child in section.children.values():
        if isinstance(child, Key):
            yield child
        else:
            yield from _keys_of(child)


def _section(schema: Mapping[str, Any], definitions: Mapping[str, Any], path: Path) -> Outline:
    children: dict[str, Outline | Key] = {}
    for name, child in schema["properties"].items():
        here = (*path, name)
        if "$ref" in child:
            target = definitions[child["$ref"].rpartition("/")[2]]
            children[name] = _section(target, definitions, here)
        else:
            children[name] = _key(child, definitions, here)
    return Outline(schema.get("description", ""), children)


def _key(schema: Mapping[str, Any], definitions: Mapping[str, Any], path: Path) -> Key:
    entry = _entry(schema, definitions, path)
    names = ", ".join(entry.children) if entry else ""
    return Key(
        path=path,
        description=schema["description"],
        accepted=f"mapping of names to sections with: {names}" if entry else _accepted(schema),
        default=schema.get("shown_default", schema.get("default")),
        nested=schema.get("type") == "object",
        entry=entry,
    )


def _entry(schema: Mapping[str, Any], definitions: Mapping[str, Any], path: Path) -> Outline | None:
    reference = schema.get("additionalProperties", {}).get("$ref")
    if reference is None:
        return None
    return _section(definitions[reference.rpartition("/")[2]], definitions, (*path, "NAME"))


def _accepted(schema: Mapping[str, Any]) -> str:
    return _values(schema) + (f" ({schema['unit']})" if "unit" in schema else "")


def _values(schema: Mapping[str, Any]) -> str:
    if "accepted" in schema:
        return str(schema["accepted"])
    if "enum" in schema:
        return ", ".join(schema["enum"])
    if "anyOf" in schema:
        return " or ".join(_accepted(alternative) for alternative in schema["anyOf"])
    if schema["type"] == "array":
        some = "list of one or more: " if schema.get("minItems") else "list of: "
        return some + _accepted(schema["items"])
    if schema["type"] == "object":
        return "mapping of names to " + _accepted(schema["additionalProperties"])
    return _NOUNS[schema.get("format", schema["type"])] + _limits(schema)


def _limits(schema: Mapping[str, Any]) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f" from {low:g} to {high:g}"
    parts = [
        f"above {schema['exclusiveMinimum']:g}" if "exclusiveMinimum" in schema else "",
        f"at least {low:g}" if low is not None else "",
        f"at most {high:g}" if high is not None else "",
        "without spaces" if schema.get("pattern") == r"^\S+$" else "",
    ]
    text = ", ".join(part for part in parts if part)
    return f" {text}" if text else ""
