"""``chronotick config``: write, check and show the configuration."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chronotick.cli.output import BAD_CONFIGURATION, fail, json_option, print_json
from chronotick.cli.settings import config_option, load_settings
from chronotick.config.shipped import purpose

if TYPE_CHECKING:
    from chronotick.config import ConfigError


@click.group()
def config() -> None:
    """Write, check and show the configuration."""


@config.command()
@click.argument("path", type=click.Path(path_type=Path), required=False)
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
def init(path: Path | None, *, force: bool) -> None:
    """Write a commented configuration with every key to PATH (default: standard output)."""
    from chronotick.config import template

    if path is None:
        click.echo(template(), nl=False)
        return
    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(template())
    except FileExistsError:
        fail(f"{path} exists. Use --force to overwrite it, or name another file.")
    except OSError as error:
        fail(f"{path} cannot be written: {error.strerror}.")
    click.echo(f"wrote {path}")


@config.command()
@click.argument("path", type=click.Path(path_type=Path), required=False)
@json_option
def check(path: Path | None, *, as_json: bool) -> None:
    """Check a configuration, its models and its CPUs; exit code 2 with everything that is wrong."""
    from chronotick.cli.fitting import fitted
    from chronotick.config import ConfigError, load
    from chronotick.config.file import find
    from chronotick.plugin.registry import load_plugins

    try:
        loaded = fitted(load(path, os.environ, {}), load_plugins())
    except ConfigError as error:
        if not as_json:
            fail(error, BAD_CONFIGURATION)
        print_json(_refused(find(path, os.environ), error))
        raise click.exceptions.Exit(BAD_CONFIGURATION) from None
    if as_json:
        remarks = list(loaded.remarks)
        print_json({"path": _named(loaded.path), "valid": True, "remarks": remarks})
        return
    for remark in loaded.remarks:
        click.echo(f"note: {remark}", err=True)
    click.echo(f"{loaded.path or 'embedded defaults'}: valid")


def _refused(path: Path | None, error: ConfigError) -> dict[str, Any]:
    problems = [
        {
            "key": problem.path,
            "origin": str(problem.origin or ""),
            "message": problem.message,
            "accepted": problem.accepted,
            "advice": problem.advice,
        }
        for problem in error.problems
    ]
    return {"path": _named(path), "valid": False, "problems": problems}


def _named(path: Path | None) -> str | None:
    return None if path is None else str(path)


@config.command()
@config_option
@click.option("--origin", is_flag=True, help="Also show where each value comes from.")
@click.option("--schema", is_flag=True, help="Print the JSON schema instead (for editors).")
@json_option
def show(config_path: Path | None, *, origin: bool, schema: bool, as_json: bool) -> None:
    """Show the configuration in force."""
    if schema:
        from chronotick.config import json_schema

        print_json(json_schema())
        return
    from chronotick.config import show as describe

    loaded = load_settings(config_path)
    if as_json:
        leaves = loaded.leaves()
        print_json({k: {"value": _plain(value), "origin": str(at)} for k, value, at in leaves})
        return
    click.echo(describe(loaded, origin=origin), nl=False)


@config.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also write the recommended configuration to a new file.",
)
@json_option
def recommend(*, out: Path | None, as_json: bool) -> None:
    """Recommend a ready-made configuration for this machine, with reasons.

    Looked at are CPUs, memory, GPUs, built environments and weights on this machine.
    """
    from dataclasses import asdict

    from chronotick.config import ConfigError
    from chronotick.daemon.machine import this_machine
    from chronotick.daemon.recommend import recommend as judge
    from chronotick.plugin.registry import load_plugins

    machine = this_machine()
    try:
        best, *others = judge(machine, load_plugins(), os.environ)
    except ConfigError as error:
        fail(error, BAD_CONFIGURATION)
    if out is not None:
        _write_new(out, best.path.read_text(encoding="utf-8"))
    if as_json:
        judged = [asdict(item) | {"path": str(item.path)} for item in (best, *others)]
        print_json({"recommended": best.name, "machine": asdict(machine), "judged": judged})
        return
    click.echo(f"recommended: {best.name}, for {machine}")
    _tell(purpose(best.path), *best.for_it)
    click.echo(f"run it: chronotick run --config {out or best.name}")
    abler = [item for item in others if not item.against and item.missing]
    for item in abler:
        click.echo(f"\nwithin reach: {item.name}")
        _tell(purpose(item.path), *item.missing)
    beyond = [item for item in others if item.against]
    if beyond:
        click.echo("\nnot for this machine:")
        _tell("", *(f"{item.name}: {'; '.join(item.against)}" for item in beyond))


def _tell(words: str, *points: str) -> None:
    for line in filter(None, (_paragraph(words), *(_paragraph(point, "- ") for point in points))):
        click.echo(line)


def _write_new(path: Path, text: str) -> None:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        fail(f"{path} exists. Name another file.")
    except OSError as error:
        fail(f"{path} cannot be written: {error.strerror}.")


def _paragraph(words: str, bullet: str = "") -> str:
    import textwrap

    indent = " " * (2 + len(bullet))
    return textwrap.fill(
        words,
        width=98,
        initial_indent=f"  {bullet}",
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _plain(value: object) -> object:
    return str(value) if isinstance(value, Path) else value
