"""What a question of an agent's costs: `get_time` through the SDK's client over real pipes.

Beside it a bare server of the same SDK with a tool that returns its argument, asked in turn with
ours, so whatever else the machine does hits both. Run: `python bench/agents.py [--calls N]`.
Called agents.py because a script named mcp.py would be what `import mcp` finds.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from mcp import Client, StdioServerParameters

from chronotick.shm.testing import good_record
from chronotick.shm.writer import RecordWriter

BAR_MS = 5.0
IMPORTS = ("chronotick", "mcp.server.mcpserver", "chronotick.mcp.serving")
ECHO = """
from mcp.server.mcpserver import MCPServer
server = MCPServer("echo", log_level="WARNING")
@server.tool()
async def echo(text: str) -> str:
    return text
server.run("stdio")
"""
Taken = dict[str, list[float]]


async def ask(client: Client, tool: str, arguments: dict[str, str]) -> float:
    began = time.perf_counter()
    result = await client.call_tool(tool, arguments)
    taken_ms = (time.perf_counter() - began) * 1e3
    if result.is_error:
        raise SystemExit(str(result.content))
    return taken_ms


async def measure(record: Path, calls: int) -> tuple[Taken, dict[str, tuple[float, float]]]:
    """Round trips (ms) of both servers; for each server, CPU per call (ms) and memory (MiB)."""
    ours = ["-m", "chronotick", "mcp", "--shm", str(record)]
    async with (
        Client(StdioServerParameters(command=sys.executable, args=ours)) as clock,
        Client(StdioServerParameters(command=sys.executable, args=["-c", ECHO])) as echo,
    ):
        asked = {
            "get_time": lambda: ask(clock, "get_time", {}),
            "echo, bare server": lambda: ask(echo, "echo", {"text": "x" * 600}),
        }
        taken: Taken = {name: [] for name in asked}
        for question in list(asked.values()) * 20:
            await question()
        servers = {_name(child): child for child in psutil.Process().children()}
        before_s = {name: cpu_s(server) for name, server in servers.items()}
        for _ in range(calls):
            for name, question in asked.items():
                taken[name].append(await question())
        cost = {
            name: ((cpu_s(server) - before_s[name]) / calls * 1e3, server.memory_info().rss / 2**20)
            for name, server in servers.items()
        }
    return taken, cost


def _name(server: psutil.Process) -> str:
    return "chronotick mcp" if "chronotick" in server.cmdline() else "bare server"


def cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def import_s(module: str) -> float:
    """Seconds that a new interpreter takes for an import, its own start left out; best of five."""

    def run(code: str) -> float:
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        return time.perf_counter() - began

    return min(run(f"import {module}") for _ in range(5)) - min(run("pass") for _ in range(5))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=1000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        writer = RecordWriter(Path(folder) / "record")
        writer.write(good_record(valid_s=3600))
        taken, cost = asyncio.run(measure(Path(folder) / "record", options.calls))
        writer.close()
    print(f"{'round trip over stdio':<24}{'median ms':>10}{'p99 ms':>9}")
    for name, times in taken.items():
        p99 = statistics.quantiles(times, n=100)[98]
        print(f"{name:<24}{statistics.median(times):>10.2f}{p99:>9.2f}")
    ours_ms, bare_ms = (statistics.median(times) for times in taken.values())
    print(f"ratio of the medians {ours_ms / bare_ms:.2f}; bar {BAR_MS:g} ms")
    for name, (cpu_ms, mib) in cost.items():
        print(f"{name}: {cpu_ms:.2f} ms of CPU per call, {mib:.0f} MiB")
    for module in IMPORTS:
        print(f"import {module}: {import_s(module):.2f} s")
    return 0 if ours_ms <= BAR_MS else 1


if __name__ == "__main__":
    sys.exit(main())
