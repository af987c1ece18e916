"""``chronotick plugin``: for authors of model plugins."""

from __future__ import annotations

from pathlib import Path

import click

from chronotick.cli.output import BAD_CONFIGURATION, fail, json_option, outcome_line, print_json
from chronotick.cli.settings import config_option, load_settings


@click.group()
def plugin() -> None:
    """Write a model plugin, and check one."""


@plugin.command()
@click.argument("name")
@click.option("--title", default="", help="One line that says what the model is.")
@click.option("--licence", default="Apache-2.0", show_default=True, help="SPDX identifier.")
@click.option(
    "--requires",
    multiple=True,
    metavar="REQUIREMENT",
    help="What the model's own environment needs, e.g. 'statsforecast>=2'; may be repeated. "
    "Without it the model runs on the daemon's interpreter, in a process of its own.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=".",
    show_default=True,
    help="Directory the new folder is made in.",
)
def new(name: str, *, title: str, licence: str, requires: tuple[str, ...], out: Path) -> None:
    """Write a complete plugin for a model called NAME: package, worker, tests, README."""
    from chronotick.testing.scaffold import BadPlugin, NewPlugin, generate

    wanted = NewPlugin(
        name=name, title=title or f"Model {name}", licence=licence, requires=requires
    )
    try:
        folder = generate(wanted, out)
    except BadPlugin as error:
        fail(error, BAD_CONFIGURATION)
    except FileExistsError:
        fail(f"{out / wanted.distribution} exists already. Remove it, or choose --out DIR")
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}")
    lock = [f"chronotick envs lock {folder}"] if requires else []
    steps = [
        f"pip install -e '{folder}[test]'",
        *lock,
        f"pytest {folder}",
        f"chronotick plugin check {folder}",
        f"chronotick run --models kalman,{name}",
    ]
    click.echo(f"written: {folder}\nnext:")
    click.echo("\n".join(f"  {step}" for step in steps))


@plugin.command()
@click.argument("path", type=click.Path(exists=True, file_okay=False, path_type=Path))
@config_option
@json_option
def check(path: Path, *, config_path: Path | None, as_json: bool) -> None:
    """Check the plugin project in PATH: packaging, imports, environment, and every model.

    It is installed into a temporary directory, as users would get it; nothing of it stays.
    """
    from chronotick.testing.project import check_project
    from chronotick.workers.errors import EnvironmentProblem

    config = load_settings(config_path).config.workers
    found = []
    try:
        for finding in check_project(path, config):
            found.append(finding)
            if not as_json:
                click.echo(outcome_line(finding))
    except EnvironmentProblem as problem:
        fail(problem)
    if as_json:
        from dataclasses import asdict

        print_json([asdict(finding) | {"passed": finding.passed} for finding in found])
    failed = sum(not finding.passed for finding in found)
    if failed:
        fail(f"{failed} of {len(found)} checks failed")
