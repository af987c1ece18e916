"""Writes the table of tools: ``python -m chronotick.mcp.document ROOT``.

ROOT is the repository; the section of ``docs/agents.md`` between the marks is written anew. A test
holds it to the tools.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from mcp.server.mcpserver.tools import Tool

from chronotick.config.generated import begin, renewed
from chronotick.mcp.moments import ACCEPTED
from chronotick.mcp.resources import clock_resources
from chronotick.mcp.tools import clock_tools
from chronotick.views import Snapshot

PAGE: Final = "docs/agents.md"
BEGIN: Final = begin("chronotick.mcp.document", "the tools")
_MOMENT: Final = "[a moment](#moments-as-arguments)"  # told once, not at each argument


def documents(root: Path) -> dict[str, str]:
    """Every generated page's text, by path from the repository's root.

    Raises:
        ValueError: the page has no such marks.
    """
    return {PAGE: renewed(root, PAGE, BEGIN, section())}


def section() -> str:
    """All tools and resources, as Markdown."""
    snapshot = Snapshot()
    parts = [*map(_tool, clock_tools(snapshot)), "### Resources\n"]
    parts += [f"- `{each.uri}`: {each.description}" for each in clock_resources(snapshot)]
    return "\n".join(parts) + "\n"


def _tool(tool: Tool) -> str:
    lines = [f"### `{tool.name}`\n", f"{tool.description}\n"]
    arguments = list(_arguments(tool.parameters))
    if arguments:
        lines += ["| argument | | |", "|---|---|---|", *arguments, ""]
    fields = ", ".join(f"`{name}`" for name in (tool.output_schema or {})["properties"])
    return "\n".join([*lines, f"Answers {fields}.\n"])


def _arguments(schema: Mapping[str, Any]) -> Iterator[str]:
    required = schema.get("required", [])
    for name, described in schema["properties"].items():
        usual = "required" if name in required else f"usually {json.dumps(described['default'])}"
        what = described["description"].replace(ACCEPTED, _MOMENT)
        yield f"| `{name}` | {usual} | {what} |"


def main(root: Path) -> None:
    """Write the page and name it."""
    for name, text in documents(root).items():
        (root / name).write_text(text, encoding="utf-8")
        sys.stdout.write(f"wrote {name}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
