"""What an agent does with ChronoTick over the Model Context Protocol: ``python agent.py [--help]``.

It starts ``chronotick mcp``, lists the tools, and takes the steps that a model would choose: what
is the time, wait until that has certainly passed, which was first, and what if a tool says no?
No model and no network are needed. Install: ``pip install 'chronotick[daemon,mcp]'``.
"""
# ruff: noqa: INP001, T201 - a program, not a package; printing is what it does

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from pathlib import Path
from typing import Any

from mcp import Client, StdioServerParameters
from mcp.types import TextContent

FAILED = 1


class Refused(Exception):  # noqa: N818 - says what is the case
    """Raised when a tool answers with a sentence that says why it has no answer."""


async def call(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401
    """Call a tool and return its typed result.

    Raises:
        Refused: the tool said no.
    """
    result = await client.call_tool(tool, arguments)
    if result.is_error or result.structured_content is None:
        said = [content.text for content in result.content if isinstance(content, TextContent)]
        raise Refused(" ".join(said))
    answer: dict[str, Any] = result.structured_content
    return answer


async def look_around(client: Client) -> None:
    """List the tools: the first sentences are what a model chooses by."""
    for tool in (await client.list_tools()).tools:
        print(f"{tool.name:<34}{(tool.description or '').splitlines()[0]}")


async def tell_time(client: Client) -> dict[str, Any]:
    """Ask what the time is; keep the answer whole, for its bounds are part of it."""
    time = await call(client, "get_time")
    print(f"\nget_time: {time['time']} +- {time['bound_ns']} ns, {time['status']}")
    return time


async def order(client: Client, first: dict[str, Any], second: dict[str, Any]) -> None:
    """Ask which event was first. ``unknown`` is an answer: whoever guesses then will be wrong."""
    compared = await call(client, "compare_times", a=first, b=second)
    print(f"compare_times: {compared['order']}. {compared['explanation']}")


async def converse(client: Client) -> None:
    """Take the steps."""
    await look_around(client)
    first = await tell_time(client)
    await order(client, first, first)  # the intervals overlap, so the clock cannot tell

    waited = await call(client, "wait_until", time=first)  # what comes now is certainly later
    print(f"\nwait_until: it has certainly passed, after {waited['waited_seconds']:.6f} s")
    await order(client, first, await tell_time(client))

    try:
        await call(client, "get_time_with_future_uncertainty", future_seconds=7200)
    except Refused as problem:
        print(f"\nasked for too much: {problem}")


def server(record: Path | None) -> StdioServerParameters:
    """How to start the server.

    The SDK hands it a few variables only: those that name another daemon have to be added.
    """
    shm = [] if record is None else ["--shm", str(record)]
    ours = {name: value for name, value in os.environ.items() if name.startswith("CHRONOTICK_")}
    arguments = ["-m", "chronotick", "mcp", *shm]
    return StdioServerParameters(command=sys.executable, args=arguments, env=ours)


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(":")[0])
    parser.add_argument(
        "record",
        type=Path,
        nargs="?",
        help="the daemon's record (default: $CHRONOTICK_SHM, or as for every client)",
    )
    return parser.parse_args()


async def main(record: Path | None) -> int:
    """Run the agent; return the exit code."""
    async with Client(server(record), read_timeout_seconds=30) as client:
        try:
            await converse(client)
        except Refused as problem:
            print(f"no time to be had: {problem}", file=sys.stderr)
            return FAILED
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(parse_arguments().record)))
