"""``chronotick models``: which models there are and what they are worth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from chronotick.cli.asking import ask_daemon, socket_option
from chronotick.cli.output import json_option, print_json, seconds, table


@click.group()
def models() -> None:
    """Show the installed models, and how those of the running daemon do."""


@models.command("list")
@json_option
def list_models(*, as_json: bool) -> None:
    """List the installed models and the plugins that could not be loaded."""
    from dataclasses import asdict

    from chronotick.plugin.registry import load_plugins

    plugins = load_plugins()
    if as_json:
        print_json(
            {
                "models": {name: asdict(spec) for name, spec in plugins.models.items()},
                "problems": [asdict(problem) for problem in plugins.problems],
            }
        )
        return
    rows = [
        [name, "worker" if spec.environment else "in process", plugins.origins[name], spec.title]
        for name, spec in plugins.models.items()
    ]
    click.echo(table(rows, ("model", "runs", "from", "what it is")))
    for problem in plugins.problems:
        click.echo(f"left out: {problem.name}: {problem.error} {problem.hint}", err=True)


@models.command("status")
@json_option
@socket_option
def models_status(*, as_json: bool, socket_path: Path | None) -> None:
    """Show the models of the running daemon: state, weight, measured error by horizon."""
    answer = ask_daemon("models", socket_path)
    if as_json:
        print_json(answer)
        return
    rows = [_row(name, entry) for name, entry in answer.items()]
    click.echo(table(rows, ("model", "state", "weight", "rms error by horizon", "why")))


def _row(name: str, entry: dict[str, Any]) -> list[object]:
    skill = ", ".join(f"{s['horizon_s']:g} s: {seconds(s['rms_s'])}" for s in entry["skill"])
    why = entry["reason"]
    if entry["state"] != "ready":
        why = entry.get("last_error") or entry.get("detail") or why
    return [name, entry["state"], f"{entry['weight']:.2f}", skill or "-", why]
