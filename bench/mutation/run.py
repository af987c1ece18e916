"""Whether the tests would notice if the estimator, selection or the record were wrong.

Each mutant is one small change of the program: a ``+`` turned into a ``-``, a bound moved by one.
It is *killed* when a test fails. Those that survive are missing tests, or *equivalent*: no test can
see them, for the reason in ``equivalent.yaml``. ``docs/quality.md`` has the figures.

Mutants are tried in random order, so that a run that was cut short is a random sample. Results are
kept in ``.cache/mutation``.

Run: ``make mutation``, or ``python bench/mutation/run.py [GROUP ...] [--minutes M] [--budget S]
[--go-on | --again | --table]``.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO, TypeAlias

import mutants
import trial
import yaml
from mutants import Mutant

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
RESULTS = ROOT / ".cache" / "mutation"
SEED = 8
QUICK_S = 0.2
Z = 1.96  # of a 95 % interval

Key: TypeAlias = tuple[str, str, int]
Result: TypeAlias = dict[str, Any]  # a line of the file of results


def main() -> None:
    arguments = _arguments()
    groups = yaml.safe_load((HERE / "groups.yaml").read_text())
    for name in arguments.groups or groups:
        file = RESULTS / f"{name}.jsonl"
        found = list(_keyed(_modules(groups[name])))
        if not arguments.table:
            _run(file, found, groups[name]["tests"], arguments)
        _report(name, _current(file, found), len(found))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("groups", nargs="*", help="of groups.yaml; default: all")
    parser.add_argument("--minutes", type=float, default=math.inf, help="for each group")
    parser.add_argument("--budget", type=float, default=20.0, help="seconds of tests per mutant")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--go-on", action="store_true", help="where the last run was cut short")
    which.add_argument(
        "--again", action="store_true", help="and with the survivors of the last run"
    )
    which.add_argument("--table", action="store_true", help="only show what was found")
    return parser.parse_args()


def _modules(group: Mapping[str, Any]) -> list[str]:
    found = {path for pattern in group["modules"] for path in ROOT.glob(pattern)}
    return sorted({str(path.relative_to(ROOT)) for path in found} - set(group.get("without", ())))


def _keyed(modules: Iterable[str]) -> Iterator[tuple[Key, Mutant]]:
    """Mutants by their text, and a number where several have the same: lines may move."""
    for module in modules:
        seen: dict[str, int] = {}
        for mutant in mutants.mutants(ROOT, module):
            seen[mutant.name] = seen.get(mutant.name, 0) + 1
            yield (module, mutant.name, seen[mutant.name]), mutant


def _run(
    file: Path,
    found: Sequence[tuple[Key, Mutant]],
    tests: Sequence[str],
    options: argparse.Namespace,
) -> None:
    before = _results(file) if options.go_on or options.again else {}
    due = [
        (key, mutant)
        for key, mutant in random.Random(SEED).sample(found, len(found))
        if _is_due(before.get(key), again=options.again)
    ]
    due.sort(key=lambda each: each[0] not in before)  # survivors first
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a" if before else "w") as out:
        trial.in_session(ROOT, tests, lambda bench: _try(bench, due, options, out))


def _try(
    bench: trial.Bench, due: Sequence[tuple[Key, Mutant]], options: argparse.Namespace, out: TextIO
) -> None:
    clean = bench.clean()
    print(f"{len(clean.seconds)} tests take {sum(clean.seconds.values()):.0f} s", flush=True)
    for test in clean.failed:
        print(f"not used, as it fails without any mutant: {test}", flush=True)
    quick = {test: seconds for test, seconds in clean.seconds.items() if seconds < QUICK_S}
    failure = bench.control(due[0][1].module, quick) if due else None
    if failure:
        raise RuntimeError(f"fails without any mutant when it is imported anew: {failure}")
    end_s = time.monotonic() + 60 * options.minutes
    for key, mutant in due:
        if time.monotonic() > end_s:
            break
        print(json.dumps(_tried(bench, clean, key, mutant, options.budget)), file=out, flush=True)


def _is_due(result: Result | None, *, again: bool) -> bool:
    return result is None or (again and result["killer"] is None)


def _tried(
    bench: trial.Bench, clean: trial.Clean, key: Key, mutant: Mutant, budget_s: float
) -> Result:
    began = time.monotonic()
    chosen: dict[str, float] = {}
    for test in clean.tests_of(mutant.module, *mutant.lines):
        if sum(chosen.values()) < budget_s:
            chosen[test] = clean.seconds[test]
    killer = None
    if chosen:
        killer = bench.killer(mutant, chosen)
    return {
        "key": key,
        "line": mutant.lines[0],
        "function": mutant.function,
        "tests": len(chosen),
        "killer": killer,
        "seconds": round(time.monotonic() - began, 2),
    }


def _results(file: Path) -> dict[Key, Result]:
    lines = file.read_text().splitlines() if file.exists() else []
    found = (json.loads(line) for line in lines)
    return {(key[0], key[1], key[2]): result for result in found for key in [result["key"]]}


def _current(file: Path, found: Sequence[tuple[Key, Mutant]]) -> list[Result]:
    results = _results(file)
    return [results[key] for key, _ in found if key in results]


def _report(name: str, results: Sequence[Result], total: int) -> None:
    equivalent = _equivalent()
    print(f"\n{name}: {len(results)} of {total} mutants tried\n")
    print(
        "| module | mutants | killed | survived | equivalent | score |\n|---|---|---|---|---|---|"
    )
    by_module: dict[str, list[Result]] = {}
    for result in results:
        by_module.setdefault(result["key"][0], []).append(result)
    for module, found in sorted(by_module.items()):
        print(_row("/".join(Path(module).parts[-2:]), found, equivalent))
    print(_row("all", results, equivalent))
    killed, counted = _score(results, equivalent)
    low, high = _interval(killed, counted)
    if len(results) < total:
        print(f"\n95 % interval of the score, as of a random sample: {low:.1%} to {high:.1%}")
    _print_survivors(results, equivalent)


def _equivalent() -> set[tuple[str, str]]:
    listed = yaml.safe_load((HERE / "equivalent.yaml").read_text())
    return {(each["module"], name) for each in listed for name in each["mutants"]}


def _is_equivalent(result: Result, equivalent: set[tuple[str, str]]) -> bool:
    return result["killer"] is None and (result["key"][0], result["key"][1]) in equivalent


def _score(results: Sequence[Result], equivalent: set[tuple[str, str]]) -> tuple[int, int]:
    killed = sum(each["killer"] is not None for each in results)
    return killed, len(results) - sum(_is_equivalent(each, equivalent) for each in results)


def _row(name: str, results: Sequence[Result], equivalent: set[tuple[str, str]]) -> str:
    killed, counted = _score(results, equivalent)
    equal = len(results) - counted
    score = f"{killed / counted:.1%}" if counted else "-"
    return f"| {name} | {len(results)} | {killed} | {counted - killed} | {equal} | {score} |"


def _interval(killed: int, counted: int) -> tuple[float, float]:
    """Wilson's interval of a proportion."""
    if not counted:
        return 0.0, 1.0
    share, weight = killed / counted, Z**2 / counted
    middle = (share + weight / 2) / (1 + weight)
    half = Z / (1 + weight) * math.sqrt(share * (1 - share) / counted + weight / (4 * counted))
    return middle - half, middle + half


def _print_survivors(results: Sequence[Result], equivalent: set[tuple[str, str]]) -> None:
    print()
    for each in results:
        if each["killer"] is None and not _is_equivalent(each, equivalent):
            module, change, number = each["key"]
            again = f" ({number})" if number > 1 else ""
            where = f"{module}:{each['line']} in {each['function']}{again}"
            print(f"{where} ({each['tests']} tests)\n    {change}")


if __name__ == "__main__":
    main()
