"""``chronotick models list`` and ``info``: what is installed, and what of it is ready."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chronotick.cli.asking import socket_option
from chronotick.cli.choosing import daemon_report, in_daemon, plugins_with
from chronotick.cli.output import json_option, print_json, seconds, table, wrapped
from chronotick.cli.settings import config_option, load_settings

if TYPE_CHECKING:
    from chronotick.plugin.contract import Checkpoint
    from chronotick.workers.inventory import InstalledModel

_MEGABYTE = 1e6
_NAME_WIDTH = 12  # with which the table fits 100 columns


@click.command("list")
@config_option
@socket_option
@json_option
def list_models(*, config_path: Path | None, socket_path: Path | None, as_json: bool) -> None:
    """List the installed models: environment, weights, and how the running daemon's do.

    What keeps one from running stands below, with the command that mends it.
    """
    from chronotick.workers.inventory import installed

    config, plugins = load_settings(config_path).config, plugins_with()
    found = [installed(name, plugins, config.workers) for name in plugins.models]
    report = daemon_report(config, socket_path)
    if as_json:
        models = {item.spec.name: described(item, report) for item in found}
        problems = [asdict(problem) for problem in plugins.problems]
        print_json({"models": models, "daemon": report is not None, "problems": problems})
        return
    click.echo(_table(found, report))
    notes = [note for item in found for note in _notes(item, (report or {}).get(item.spec.name))]
    if notes:
        click.echo()
    for note in notes:
        click.echo(wrapped(note))
    for problem in plugins.problems:
        click.echo(wrapped(f"left out: {problem.name}: {problem.error} {problem.hint}"), err=True)


@click.command()
@click.argument("model")
@config_option
@socket_option
@json_option
def info(model: str, *, config_path: Path | None, socket_path: Path | None, as_json: bool) -> None:
    """Show all that is known of MODEL: licences, weights, environment, limits, data it has seen."""
    from chronotick.workers.inventory import installed

    config, plugins = load_settings(config_path).config, plugins_with(model)
    item = installed(model, plugins, config.workers)
    report = daemon_report(config, socket_path)
    if as_json:
        print_json(described(item, report))
        return
    facts = [fact for fact in _facts(item, (report or {}).get(model)) if fact[1]]
    width = max(len(name) for name, _value in facts)
    for name, value in facts:
        click.echo(wrapped(f"{name:{width}}  {value}", indent=width + 2))
    card = _card(item)
    if card:
        click.echo(f"\n{card}")


def described(item: InstalledModel, report: dict[str, Any] | None) -> dict[str, Any]:
    """Everything known of a model, of JSON types."""
    from chronotick.hub.licences import is_non_commercial

    spec = asdict(item.spec)
    recipe = spec.pop("environment")
    environment, weights = asdict(item.environment), asdict(item.weights)
    environment["directory"] = _text(item.environment.directory)
    weights["directory"] = _text(item.weights.directory)
    weights["card"] = _card(item)
    weights["non_commercial"] = is_non_commercial(item.weights.licence)
    return {
        **spec,
        "origin": item.origin,
        "summary": item.summary,
        "runs": _runs(item),
        "server": item.server,
        "environment": environment | {"recipe": recipe["recipe"] if recipe else ""},
        "weights": weights,
        "daemon": (report or {}).get(item.spec.name),
    }


def _card(item: InstalledModel) -> str:
    """The model card of weights that come with a plugin, without what is for machines."""
    directory = item.weights.directory
    if item.weights.state != "shipped" or directory is None:
        return ""
    try:
        text = (directory / "README.md").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
    return re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.DOTALL).strip()


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _table(found: list[InstalledModel], report: dict[str, Any] | None) -> str:
    header = ["model", "runs", "environment", "weights", "licence"]
    rows = [_row(item, (report or {}).get(item.spec.name)) for item in found]
    if report is not None:
        header[4:4] = ["state", "latency", "memory"]
        for row in rows:
            row[4:4] = _live(report.get(row[0]))
    return table(rows, header)


def _row(item: InstalledModel, entry: dict[str, Any] | None) -> list[str]:
    state: str = item.environment.state
    environment = "-" if state in {"own", "remote"} else state
    if item.environment.problem and _is_ready(entry):
        environment = "in use"
    weights = _loaded(item, entry) or _weights(item)
    licence = item.weights.licence or item.spec.licence
    return [item.spec.name, _runs(item), environment, weights, licence]


def _is_ready(entry: dict[str, Any] | None) -> bool:
    return entry is not None and entry["state"] == "ready"


def _loaded(item: InstalledModel, entry: dict[str, Any] | None) -> str:
    """What the daemon computes with, if other weights than those looked up here."""
    loaded = (entry or {}).get("checkpoint") if _is_ready(entry) else None
    if not loaded or loaded == item.weights.name or item.weights.state in {"none", "remote"}:
        return ""
    name = Path(loaded).name
    return f"in use: {name}" if len(name) <= _NAME_WIDTH else "in use"


def _last_error(entry: dict[str, Any] | None) -> str:
    """Of a model that answers it is past."""
    if entry is None or (_is_ready(entry) and entry.get("answers")):
        return ""
    return entry.get("last_error") or ""


def _runs(item: InstalledModel) -> str:
    if item.server:
        return "remote"
    return "in daemon" if in_daemon(item.spec, item.origin) else "process"


def _weights(item: InstalledModel) -> str:
    from chronotick.workers.inventory import known_checkpoint

    weights = item.weights
    if weights.state in {"none", "remote"}:
        return "-"
    size = weights.size_bytes
    if size is not None:
        return f"{weights.state} {megabytes(size / _MEGABYTE)}"
    known = known_checkpoint(item.spec, weights.checkpoint)
    expected = known.size_mb if known else None
    return f"missing {megabytes(expected)}" if expected else "missing"


def _live(entry: dict[str, Any] | None) -> list[str]:
    if entry is None:
        return ["not used", "-", "-"]
    latency, memory = entry.get("latency_median_ms"), entry.get("memory_mb")
    return [
        entry["state"],
        seconds(None if latency is None else latency * 1e-3),
        f"{memory:.0f} MiB" if memory else "-",
    ]


def megabytes(size_mb: float) -> str:
    """A size with as many digits as it deserves: ``191 MB``, ``0.046 MB``."""
    return f"{size_mb:.0f} MB" if size_mb >= 1 else f"{size_mb:.2g} MB"


def _notes(item: InstalledModel, entry: dict[str, Any] | None) -> Iterator[str]:
    from chronotick.hub.licences import is_non_commercial

    name = item.spec.name
    if item.server:
        yield f"{name}: computed by {item.server}, with weights of its choice (workers.remote)"
    if item.environment.problem and not _is_ready(entry):
        yield f"{name}: environment: {item.environment.problem}"
    if item.weights.problem and not _is_ready(entry):
        yield f"{name}: weights: {item.weights.problem}"
    if is_non_commercial(item.weights.licence):
        yield f"{name}: weights: {_licence(item.weights.licence)}"
    if _last_error(entry):
        yield f"{name}: last error: {_last_error(entry)}"


def _licence(licence: str) -> str:
    from chronotick.hub.licences import is_non_commercial

    return f"{licence}: NOT for commercial use" if is_non_commercial(licence) else licence


def _facts(item: InstalledModel, entry: dict[str, Any] | None) -> list[tuple[str, str]]:
    spec, environment, weights = item.spec, item.environment, item.weights
    recipe = spec.environment.recipe if spec.environment else ""
    return [
        ("model", f"{spec.name}: {spec.title}"),
        ("plugin", " - ".join(part for part in (item.origin, item.summary) if part)),
        ("runs", f"{_runs(item)}: {item.server}" if item.server else _runs(item)),
        ("code licence", spec.licence),
        ("output", spec.output),
        ("context", f"{spec.min_context} to {spec.max_context} samples, less with some weights"),
        ("horizon", f"up to {spec.max_horizon} steps, less with some weights"),
        ("covariates", ", ".join(spec.covariates).replace("*", "all there are") or "none"),
        ("trained on", ", ".join(spec.trained_on)),
        ("default weights", _checkpoint(spec.checkpoint) if spec.checkpoint else "none needed"),
        *(("alternative", _checkpoint(other)) for other in spec.alternatives),
        ("weights", _loaded(item, entry) or _weights_line(item)),
        ("imported from", weights.imported_from),
        ("random sizes", ", ".join(spec.random_sizes)),
        ("environment", _environment_line(item)),
        ("lies in", _text(environment.directory) or ""),
        (
            "lock",
            f"{recipe}.lock in {spec.environment.package}" if spec.environment and recipe else "",
        ),
        ("python", environment.python),
        ("mend", "" if _is_ready(entry) else environment.problem),
        *_daemon_facts(entry),
    ]


def _checkpoint(checkpoint: Checkpoint) -> str:
    size = f", {megabytes(checkpoint.size_mb)}" if checkpoint.size_mb else ""
    memory = f", takes {checkpoint.memory_mb:.0f} MiB of memory" if checkpoint.memory_mb else ""
    return f"{checkpoint.identifier}, {_licence(checkpoint.licence)}{size}{memory}"


def _environment_line(item: InstalledModel) -> str:
    if item.server:
        return f"of {item.server}"
    environment = item.spec.environment
    if environment is None or not environment.recipe:
        return "the daemon's interpreter"
    return f"{environment.recipe}: {item.environment.state}"


def _weights_line(item: InstalledModel) -> str:
    weights = item.weights
    if weights.state in {"none", "remote"}:
        return "" if weights.state == "none" else f"as {item.server} was told"
    if weights.state == "missing":
        return f"missing: {weights.problem}"
    chosen = " (chosen in workers.checkpoints)" if weights.configured else ""
    return f"{_weights(item)}: {weights.name}{chosen}, in {weights.directory}"


def _daemon_facts(entry: dict[str, Any] | None) -> list[tuple[str, str]]:
    if entry is None:
        return []
    state, latency, memory = _live(entry)
    return [
        ("state", f"{state}, median latency {latency}, memory {memory}"),
        ("loaded", entry.get("checkpoint") or ""),
        ("last error", _last_error(entry)),
    ]
