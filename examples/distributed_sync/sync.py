"""Nodes that do something at the same true time, and a report on how well they did.

    python sync.py --nodes 3 --scenario simple

starts three nodes on this host. For nodes elsewhere, start the coordinator with ``--remote`` and an
address that they reach, ``--listen HOST:PORT``, and on each of them ``node.py --join HOST:PORT``.
Nobody is asked who they are: use a network that you trust.

Scenarios: ``simple``, one agreed moment; ``periodic``, a tick each ``--period`` seconds from an
agreed moment on; ``write``, from an agreed moment on all write to one log at once, each write
acknowledged only when its stamp has passed for certain.
"""
# ruff: noqa: INP001, T201 - a program, not a package; printing is what it does

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from agreement import Agreement, agree, latest_ns
from following import follow
from members import FAILED, NotAgreed, gather
from messages import Propose
from node import address
from report import Report, report, table

NODE = Path(__file__).with_name("node.py")
MOST_NODES = 64
GRACE_S = 2.0
EVERY_ADDRESS = {"0.0.0.0", "::"}  # noqa: S104 - compared with, not listened on
NS_PER_S = 1_000_000_000


def plan(options: argparse.Namespace) -> Propose:
    """Return what a scenario asks of each node; its target is still to be agreed."""
    return Propose(
        target_ns=0,
        period_ns=round(options.period * NS_PER_S),
        ticks=options.ticks if options.scenario == "periodic" else 1,
        writes=options.writes if options.scenario == "write" else 0,
        commit_wait=not options.no_commit_wait,
        max_bound_ns=round(options.max_bound_ms * 1e6),
        tolerance_ns=round(options.tolerance_ms * 1e6),
    )


async def coordinate(options: argparse.Namespace, started: list[subprocess.Popen[bytes]]) -> Report:
    """Gather the nodes, agree, follow, and judge.

    Args:
        options: the command line.
        started: gets the processes of local nodes, which the caller ends.

    Raises:
        NotAgreed: nothing was done.
    """

    def listening(host: str, port: int) -> None:
        if options.remote:
            here = socket.gethostname() if host in EVERY_ADDRESS else host
            print(
                f"waiting for {options.nodes} nodes; on each run: node.py --join {here}:{port}",
                file=sys.stderr,
                flush=True,
            )
        else:
            started.extend(start(options, host, port))

    host, port = options.listen
    members = await gather(
        host,
        port,
        options.nodes,
        timeout_s=options.timeout,
        join_s=options.join_timeout,
        listening=listening,
    )
    agreement = await agree(members, plan(options), round(options.margin_ms * 1e6))
    there = [member for member in members if member.name not in agreement.lost]
    outcome = await follow(there, agreement.decided, longest_silence_s(agreement))
    hosts = {member.name: member.host for member in members}
    return report(agreement, outcome, hosts)


def start(options: argparse.Namespace, host: str, port: int) -> list[subprocess.Popen[bytes]]:
    """Start the nodes of this host."""
    command = [sys.executable, str(NODE), "--quiet", "--join", f"{host}:{port}"]
    width = len(str(options.nodes))
    return [
        subprocess.Popen(
            [*command, f"--name=node-{number + 1:0{width}}", *record_option(options.record, number)]
        )
        for number in range(options.nodes)
    ]


def record_option(records: list[Path], number: int) -> list[str]:
    """Say which daemon a node listens to: its own record, or the one of all."""
    return [f"--record={records[number % len(records)]}"] if records else []


def longest_silence_s(agreement: Agreement) -> float:
    """Return how long a node that is well may say nothing: before the first tick, or a write."""
    decided = agreement.decided
    first_tick_ns = max(0, decided.target_ns - latest_ns(agreement.told))
    commit_wait_ns = 4 * decided.max_bound_ns  # twice the bound, and that may have grown
    return (first_tick_ns + decided.period_ns + commit_wait_ns) / NS_PER_S


def number(low: float, high: float) -> Callable[[str], float]:
    """Return a reader of numbers within limits, both included."""

    def read(text: str) -> float:
        if not low <= (value := float(text)) <= high:
            raise argparse.ArgumentTypeError(f"{text} is not within {low:g} and {high:g}")
        return value

    read.__name__ = "number"  # what argparse calls it in its messages
    return read


def whole(low: int, high: int) -> Callable[[str], int]:
    """Return a reader of whole numbers within limits, both included."""

    def read(text: str) -> int:
        if not low <= (value := int(text)) <= high:
            raise argparse.ArgumentTypeError(f"{text} is not within {low} and {high}")
        return value

    read.__name__ = "whole number"
    return read


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description="Have nodes act at the same true time, and report how well they did."
    )
    add = parser.add_argument
    add("--nodes", type=whole(1, MOST_NODES), default=3, help="how many take part (3)")
    add("--scenario", choices=["simple", "periodic", "write"], default="simple")
    add("--ticks", type=whole(1, 100_000), default=5, help="periodic: how many (5)")
    add("--period", type=number(0.01, 3600), default=0.5, help="periodic: s between them (0.5)")
    add("--writes", type=whole(1, 1000), default=5, help="write: how many by each node (5)")
    add("--no-commit-wait", action="store_true", help="write: acknowledge at once, to see why not")
    add("--record", type=Path, action="append", default=[], help="a daemon's record; for each node")
    add("--listen", type=address, default=("127.0.0.1", 0), metavar="HOST:PORT")
    add("--remote", action="store_true", help="start no nodes here, wait for others to join")
    add("--margin-ms", type=number(1, 60_000), default=300, help="how far ahead to aim (300)")
    add(
        "--max-bound-ms",
        type=number(0.001, 10_000),
        default=100,
        help="allowed at the target (100)",
    )
    add("--tolerance-ms", type=number(0.001, 10_000), default=5, help="how late an act may be (5)")
    add("--timeout", type=number(0.1, 600), default=10, help="s for a node to answer (10)")
    add("--join-timeout", type=number(0.1, 3600), default=30, help="s for all to join (30)")
    add("--json", action="store_true", help="print the report as JSON")
    options = parser.parse_args()
    if len(options.record) not in {0, 1, options.nodes}:
        parser.error(f"--record: give one for all {options.nodes} nodes, or one for each")
    return options


def end(process: subprocess.Popen[bytes]) -> None:
    """Let a node end by itself, which it does when the coordinator hangs up."""
    try:
        process.wait(timeout=GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def main() -> int:
    """Run the coordinator; return the exit code."""
    options = arguments()
    started: list[subprocess.Popen[bytes]] = []
    try:
        judged = asyncio.run(coordinate(options, started))
    except NotAgreed as problem:
        print(f"sync: {problem}", file=sys.stderr)
        return problem.code
    except KeyboardInterrupt:
        return FAILED
    finally:
        for process in started:
            end(process)
    print(json.dumps(judged, indent=2) if options.json else table(judged))
    return FAILED if judged["problems"] else 0


if __name__ == "__main__":
    sys.exit(main())
