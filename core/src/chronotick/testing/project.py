"""A plugin project, checked as its users will get it: packaged, installed, loaded, asked.

It is installed into a temporary directory and examined in a process of its own
(``python -m chronotick.testing.project``): neither an editable install nor what this process
has imported then hides what is missing.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from importlib.metadata import Distribution, EntryPoint, distribution, distributions
from pathlib import Path
from typing import Final

from chronotick.config.schema import Workers
from chronotick.plugin.contract import ModelSpec
from chronotick.plugin.describe import HEAVY
from chronotick.plugin.hooks import ENTRY_POINT_GROUP
from chronotick.plugin.reading import DEADLINE_S
from chronotick.plugin.registry import load_plugins
from chronotick.testing.checkpoints import NoRandomWeights, random_checkpoint
from chronotick.testing.outcomes import Outcome, outcomes
from chronotick.workers.errors import EnvironmentProblem
from chronotick.workers.uv import Uv, UvFailed, find_uv

_HEAVY_ONES: Final = "heavy modules:"


def check_project(project: Path, config: Workers) -> Iterator[Outcome]:
    """Check a plugin project; yields outcomes as they come.

    Args:
        project: directory with its ``pyproject.toml``.
        config: where environments are, and whether they may be built.

    Raises:
        EnvironmentProblem: there is no uv to install it with.
    """
    demand = "The project can be built and installed."
    if not (project / "pyproject.toml").is_file():
        yield Outcome(str(project), "install", demand, "there is no pyproject.toml in it")
        return
    with tempfile.TemporaryDirectory(prefix="chronotick-check-") as place:
        try:
            _install(project, place, config)
        except UvFailed as failure:
            yield Outcome(str(project), "install", demand, failure.output.strip()[-2000:])
            return
        yield Outcome(str(project), "install", demand)
        yield from _examined(Path(place), config)


def _install(project: Path, place: str, config: Workers) -> None:
    Uv(program=find_uv(), offline=config.offline).run(
        f"installing {project}",
        *("pip", "install", "--python", sys.executable, "--no-deps", "--no-sources"),
        *("--target", place, str(project.absolute())),
    )


def _examined(place: Path, config: Workers) -> Iterator[Outcome]:
    """Run this module in a process that sees the installed project first."""
    paths = [str(place), *filter(None, [os.environ.get("PYTHONPATH")])]
    child = subprocess.Popen(
        [sys.executable, "-m", __name__, str(place), config.model_dump_json()],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
    )
    with child:
        try:
            for line in child.stdout or ():
                yield Outcome(**json.loads(line))
        except BaseException:  # whoever asks has given up: nobody waits for the rest
            child.kill()
            raise
    if child.returncode != 0:
        words = f"the process that examined it ended with {child.returncode}; see above"
        yield Outcome(str(place), "examine", "The project can be examined.", words)


def main() -> None:
    """Examine what is installed in a directory: one JSON object per line."""
    place, config = sys.argv[1:]
    # What a plugin prints goes where people see it, not between our lines.
    results = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for outcome in _findings(Path(place), Workers(**json.loads(config))):
        results.write(json.dumps(asdict(outcome)) + "\n")
        results.flush()


def _findings(place: Path, config: Workers) -> Iterator[Outcome]:
    for found in distributions(path=[str(place)]):
        name = found.metadata["Name"]
        entries = [entry for entry in found.entry_points if entry.group == ENTRY_POINT_GROUP]
        demand = f"It has an entry point in group {ENTRY_POINT_GROUP}."
        yield Outcome(name, "entry-point", demand, "" if entries else _without_entry(found))
        for entry in entries:
            yield _light_import(name, entry)
        if entries:
            yield from _models(name, config)


def _without_entry(found: Distribution) -> str:
    groups = sorted({entry.group for entry in found.entry_points}) or ["none"]
    return (
        f"groups found: {', '.join(groups)}. Add to pyproject.toml: "
        f'[project.entry-points.{ENTRY_POINT_GROUP}]  NAME = "package.module"'
    )


def _light_import(name: str, entry: EntryPoint) -> Outcome:
    demand = "Its entry-point module imports nothing heavy."
    program = (
        f"import sys, {entry.module}\n"
        f"print({_HEAVY_ONES!r}, *sorted({set(HEAVY)!r} & set(sys.modules)))\n"
    )
    try:
        done = subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        failure = f"importing {entry.module} took longer than {DEADLINE_S:g} s"
        return Outcome(name, "light-import", demand, failure)
    if done.returncode != 0:
        return Outcome(name, "light-import", demand, done.stderr.strip()[-800:])
    told = [line for line in done.stdout.splitlines() if line.startswith(_HEAVY_ONES)]
    if not told:
        failure = (
            f"importing {entry.module} ends the process, with status 0: does it call sys.exit?"
        )
        return Outcome(name, "light-import", demand, failure)
    heavy = told[-1].removeprefix(_HEAVY_ONES).split()
    failure = f"{entry.module} imports {', '.join(heavy)}: import it in the worker class"
    return Outcome(name, "light-import", demand, failure if heavy else "")


def _models(name: str, config: Workers) -> Iterator[Outcome]:
    plugins = load_plugins()
    demand = "The loader takes its models."
    problems = [p for p in plugins.problems if p.distribution == name]
    for problem in problems:
        yield Outcome(name, "specification", demand, f"{problem.error} {problem.hint}")
    version = distribution(name).version
    mine = [n for n, origin in plugins.origins.items() if origin == f"{name} {version}"]
    if not problems:
        yield Outcome(name, "specification", demand, "" if mine else "it offers no model")
    for model in mine:
        yield from _model(plugins.models, model, config)


def _model(models: Mapping[str, ModelSpec], name: str, config: Workers) -> Iterator[Outcome]:
    spec = models[name]
    if not spec.random_sizes:
        yield from outcomes(spec, config)
        return
    demand = "It writes random weights of its architecture."
    with tempfile.TemporaryDirectory(prefix=f"{name}-tiny-") as weights:
        try:
            random_checkpoint(spec, Path(weights), config)
        except (NoRandomWeights, EnvironmentProblem) as error:
            yield Outcome(name, "random-weights", demand, str(error))
            return
        yield Outcome(name, "random-weights", demand)
        yield from outcomes(spec, config, checkpoint=weights)


if __name__ == "__main__":
    main()
