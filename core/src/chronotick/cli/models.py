"""``chronotick models``: which models there are, what they need, and what they are worth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from chronotick.cli.asking import ask_daemon, socket_option
from chronotick.cli.inventory import info, list_models
from chronotick.cli.output import json_option, print_json, seconds, table, wrapped
from chronotick.cli.trying import bench, check, tiny
from chronotick.cli.weights import pull, remove


@click.group()
def models() -> None:
    """Show the installed models, get them ready, try them, and see how the daemon's do."""


for _command in (list_models, info, pull, remove, check, bench, tiny):
    models.add_command(_command)


@models.command("status")
@json_option
@socket_option
def models_status(*, as_json: bool, socket_path: Path | None) -> None:
    """Show the models of the running daemon.

    State; weight, the share of the estimate that a model makes now, 0 until it was scored often
    enough (fusion.min_scores); how long answers take (median, and what nine of ten stay below);
    how often each is really asked, and how old its last forecast is, short term / long term;
    deadlines missed. Below, by model: why it has that weight, its measured error by horizon, and
    what would help one that cannot keep up.
    """
    answer = ask_daemon("models", socket_path)
    if as_json:
        print_json(answer)
        return
    click.echo(table([_row(name, entry) for name, entry in answer.items()], _HEADER))
    click.echo()
    for name, entry in answer.items():
        for told in filter(None, (_why(entry), entry.get("remark"), *entry.get("advice", ()))):
            click.echo(wrapped(f"{name}: {told}"))


_HEADER = ("model", "state", "weight", "median", "90 %", "asked every", "forecast's age", "missed")


def _row(name: str, entry: dict[str, Any]) -> list[object]:
    loops = list(entry.get("loops", {}).values())
    return [
        name,
        entry["state"],
        f"{entry['weight']:.2f}",
        _milliseconds(entry.get("latency_median_ms")),
        _milliseconds(entry.get("latency_p90_ms")),
        " / ".join(seconds(loop["effective_interval_s"]) for loop in loops) or "-",
        " / ".join(seconds(loop["last_forecast_age_s"]) for loop in loops) or "-",
        sum(loop["deadline_misses"] for loop in loops),
    ]


def _why(entry: dict[str, Any]) -> str:
    why = entry["reason"]
    if entry["state"] != "ready":
        why = entry.get("last_error") or entry.get("detail") or why
    skill = ", ".join(f"{_rms(row)} at {row['horizon_s']:g} s" for row in entry["skill"])
    return "; ".join(filter(None, (why, skill and f"rms error {skill}", _intervals(entry))))


def _rms(row: dict[str, Any]) -> str:
    return seconds(row["rms_s"]) if row.get("rms_told", True) else "not told from zero"


def _intervals(entry: dict[str, Any]) -> str:
    """How wide its 95 % intervals are, and where they come from."""
    wide = [s for s in entry["skill"] if "half_95_s" in s]
    told = ", ".join(f"{seconds(s['half_95_s'])} at {s['horizon_s']:g} s" for s in wide)
    source = entry.get("sigma_from")
    return f"95 % within {told}, from {source}" if told and source else ""


def _milliseconds(value: float | None) -> str:
    return seconds(None if value is None else value * 1e-3)
