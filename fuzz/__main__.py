"""Every target for a while: ``python -m fuzz [TARGET ...] [--seconds N | --runs N]``.

Prints what was executed, and ends with status 1 after a finding; the input that shows it is in the
directory of findings, and ``python -m fuzz.running TARGET FILE`` executes it again.
"""

from __future__ import annotations

import argparse
import re
import resource
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fuzz.targets import CORPUS, TARGETS

TIMEOUT_S = 10
MEMORY_MB = 2048
_EXECUTED = re.compile(r"stat::number_of_executed_units:\s+(\d+)")
_STATE = re.compile(r"cov: (\d+) ft: \d+ corp: (\d+)/")
_LINE = "{:<20} {:>10} {:>9} {:>6} {:>7}  {}\n"
_IN_C = "in_c"


@dataclass(frozen=True, slots=True)
class Ran:
    """What became of a target.

    Attributes:
        executions: how often it was called.
        cpu_s: processor time that took, s; a busy machine does not change it.
        edges: of the package's code that were reached, and inputs that reached them.
        output: the end of what it printed.
        failed: there is a finding.
    """

    executions: int
    cpu_s: float
    edges: tuple[str, str]
    output: str
    failed: bool


def main() -> int:
    """Run the targets one by one; return the exit status."""
    asked = _arguments()
    asked.findings.mkdir(parents=True, exist_ok=True)
    sys.stdout.write(_LINE.format("target", "executions", "per CPU s", "edges", "corpus", ""))
    failed = [name for name in asked.targets or (*TARGETS, _IN_C) if not _passes(name, asked)]
    if failed:
        sys.stdout.write(f"findings of {', '.join(failed)}: see {asked.findings}\n")
    return 1 if failed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", choices=[[], *TARGETS, _IN_C], metavar="TARGET")
    parser.add_argument("--seconds", type=int, default=60, help="for each target (60)")
    parser.add_argument("--runs", type=int, help="executions of each target instead")
    parser.add_argument(
        "--work", type=Path, default=Path("build/fuzz/corpus"), help="inputs found on the way"
    )
    parser.add_argument("--findings", type=Path, default=Path("build/fuzz/findings"))
    return parser.parse_args()


def _passes(name: str, asked: argparse.Namespace) -> bool:
    if name == _IN_C:
        return subprocess.run([sys.executable, "-m", "fuzz.in_c"], check=False).returncode == 0
    ran = _run(name, asked)
    rate = round(ran.executions / max(ran.cpu_s, 1e-9))
    told = "FINDING" if ran.failed else ""
    sys.stdout.write(_LINE.format(name, ran.executions, rate, *ran.edges, told))
    if ran.failed:
        sys.stdout.write(ran.output)
    sys.stdout.flush()
    return not ran.failed


def _run(name: str, asked: argparse.Namespace) -> Ran:
    found = asked.work / name
    found.mkdir(parents=True, exist_ok=True)
    limit = f"-max_total_time={asked.seconds}" if asked.runs is None else f"-runs={asked.runs}"
    arguments = [limit, f"-timeout={TIMEOUT_S}", f"-rss_limit_mb={MEMORY_MB}"]
    arguments += ["-print_final_stats=1", f"-artifact_prefix={asked.findings}/{name}-"]
    before_s = _children_s()
    done = subprocess.run(
        [sys.executable, "-m", "fuzz.running", name, *arguments, found, CORPUS / name],
        check=False,
        capture_output=True,
    )
    output = (done.stdout + done.stderr).decode(errors="replace")
    executed = _EXECUTED.search(output)
    states: Sequence[tuple[str, str]] = _STATE.findall(output)
    return Ran(
        executions=int(executed[1]) if executed else 0,
        cpu_s=_children_s() - before_s,
        edges=states[-1] if states else ("", ""),
        output=output[-4000:],
        failed=done.returncode != 0 or executed is None,
    )


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    sys.exit(main())
