"""What is wrong with a tool's arguments, in a sentence that says what would be right."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from chronotick.mcp.moments import shown

_LONGEST_NAME = 60  # characters that are compared with those of arguments
_MOST_NAMED = 3  # arguments that there are not


def sentence(error: ValidationError, schema: Mapping[str, Any]) -> str:
    """Say what is wrong with each argument, and what is accepted.

    Args:
        error: what was found.
        schema: JSON schema of the tool's arguments.
    """
    found: dict[str, str] = {}
    for detail in error.errors(include_url=False):
        name = str(detail["loc"][0]) if detail["loc"] else "arguments"
        found.setdefault(name, _wrong(detail))  # of a union's alternatives, the first
    return " ".join(f"{name}: {wrong}{_accepted(schema, name)}" for name, wrong in found.items())


def unknown_arguments(schema: Mapping[str, Any], arguments: Iterable[str]) -> str:
    """Name arguments that a tool does not have; ``""`` where it has all of them."""
    known = list(schema.get("properties", {}))
    unknown = [name for name in arguments if name not in known]
    if not unknown:
        return ""
    near = difflib.get_close_matches(unknown[0][:_LONGEST_NAME], known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"it takes {', '.join(known) or 'none'}"
    named = ", ".join(map(shown, unknown[:_MOST_NAMED]))
    more = len(unknown) - _MOST_NAMED
    return f"there is no argument {named}{f' (and {more} more)' if more > 0 else ''}; {hint}"


def _wrong(detail: ErrorDetails) -> str:
    if detail["type"] == "missing":
        return "it is required"
    if detail["type"] == "value_error":
        return str(detail["ctx"]["error"])
    expected = detail["msg"].removeprefix("Input ")
    return f"it {expected}, and is {shown(detail['input'])}"


def _accepted(schema: Mapping[str, Any], name: str) -> str:
    accepted = schema.get("properties", {}).get(name, {}).get("description")
    return f". Accepted: {accepted}" if accepted else "."
