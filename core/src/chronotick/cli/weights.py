"""``chronotick models pull`` and ``remove``: weights on their way in and out of the hub's cache."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chronotick.cli.asking import socket_option
from chronotick.cli.choosing import (
    checkpoint_of,
    checkpoint_option,
    daemon_report,
    plugins_with,
)
from chronotick.cli.inventory import megabytes
from chronotick.cli.output import BAD_CONFIGURATION, fail, json_option, print_json
from chronotick.cli.settings import config_option, load_settings

if TYPE_CHECKING:
    from chronotick.config.schema import Config
    from chronotick.hub import Release
    from chronotick.plugin.contract import ModelSpec

_MEGABYTE = 1e6


@dataclass(frozen=True, slots=True)
class Wanted:
    """Weights of a model on the hub.

    Attributes:
        spec: of the model.
        checkpoint: hub id.
        repository, revision: its parts.
    """

    spec: ModelSpec
    checkpoint: str
    repository: str
    revision: str | None


@click.command()
@click.argument("model")
@checkpoint_option
@click.option(
    "--from",
    "source",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Import this directory instead of downloading: no network is needed.",
)
@click.option("--yes", is_flag=True, help="Do not ask; accept the licence.")
@config_option
@json_option
def pull(
    model: str,
    *,
    checkpoint: str | None,
    source: Path | None,
    yes: bool,
    config_path: Path | None,
    as_json: bool,
) -> None:
    """Bring the weights of MODEL to this machine, into the hub's cache.

    Licence and size are shown first. Without a terminal to ask at, open licences are taken as
    accepted; others need --yes. A download that was interrupted goes on where it stopped, and
    what is damaged is downloaded again. Only safetensors and their settings are taken: never
    pickles.
    """
    spec, chosen = _chosen(model, checkpoint, load_settings(config_path).config)
    if _comes_with_plugin(chosen):
        _tell_shipped(model, chosen, source, as_json=as_json)
        return
    wanted = _wanted(spec, chosen)
    if source is not None:
        _import(wanted, source, as_json=as_json)
        return
    there = _there(wanted)
    if there is not None:
        _tell(wanted, there, "already there", as_json=as_json)
        return
    _download(wanted, yes=yes, as_json=as_json)


@click.command()
@click.argument("model")
@checkpoint_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@config_option
@socket_option
@json_option
def remove(
    model: str,
    *,
    checkpoint: str | None,
    yes: bool,
    config_path: Path | None,
    socket_path: Path | None,
    as_json: bool,
) -> None:
    """Remove the weights of MODEL from the hub's cache.

    That cache is shared with every other program that uses the hub. Weights that the running
    daemon uses are not removed.
    """
    from chronotick.hub import HubProblem, entry, removal

    config = load_settings(config_path).config
    spec, chosen = _chosen(model, checkpoint, config)
    if _comes_with_plugin(chosen):
        fail(f"{model}: {chosen} comes with the plugin, and goes with it", BAD_CONFIGURATION)
    wanted = _wanted(spec, chosen)
    try:
        found = removal(entry(wanted.repository), wanted.revision)
    except HubProblem as error:
        fail(f"{model}: {error}")
    if found is None:
        fail(f"{model}: {entry(wanted.repository).path} holds no {wanted.checkpoint}")
    _refuse_used(wanted, daemon_report(config, socket_path))
    freed = f"frees {megabytes(found.freed_bytes / _MEGABYTE)}"
    place = found.entry.path if found.whole else found.snapshot
    if not yes:
        click.confirm(f"remove {wanted.checkpoint}, {place}: {freed}?", abort=True, err=as_json)
    try:
        found.carry_out()
    except HubProblem as error:
        fail(f"{model}: {error}")
    if as_json:
        print_json({"model": model, "removed": str(place), "freed_bytes": found.freed_bytes})
    else:
        click.echo(f"{model}: removed {place}, {freed}")


def _chosen(model: str, checkpoint: str | None, config: Config) -> tuple[ModelSpec, str]:
    """The weights that are meant; ends with code 2 for a model without any."""
    spec = plugins_with(model).find(model)
    default = spec.checkpoint.identifier if spec.checkpoint else ""
    chosen = (
        checkpoint_of(checkpoint, [model]).get(model)
        or config.workers.checkpoints.get(model)
        or default
    )
    if spec.checkpoint is None:
        fail(f"{model} has no weights", BAD_CONFIGURATION)
    return spec, chosen


def _comes_with_plugin(chosen: str) -> bool:
    from chronotick.plugin.weights import is_shipped

    return is_shipped(chosen)


def _tell_shipped(model: str, chosen: str, source: Path | None, *, as_json: bool) -> None:
    """Say that there is nothing to pull; ends with an error if they are not there or damaged."""
    from chronotick.plugin.weights import locate

    if source is not None:
        fail(
            f"{model}: {chosen} comes with the plugin. Use a directory as it is: "
            f"--checkpoint {model}={source}",
            BAD_CONFIGURATION,
        )
    try:
        directory = locate(chosen, model).directory
    except (FileNotFoundError, ValueError) as error:
        fail(f"{model}: {error}")
    answer = {"model": model, "checkpoint": chosen, "directory": str(directory), "how": "shipped"}
    if as_json:
        print_json(answer)
    else:
        click.echo(f"{model}: {chosen} comes with the plugin, in {directory}: nothing to pull")


def _wanted(spec: ModelSpec, chosen: str) -> Wanted:
    """Weights on the hub; ends with code 2 when they are not there."""
    from chronotick.plugin.weights import looks_like_path, split

    model, default = spec.name, spec.checkpoint.identifier if spec.checkpoint else ""
    if looks_like_path(chosen):
        fail(
            f"{model}: its weights are the directory {chosen}, not on the hub. Name what you mean: "
            f"--checkpoint {default}",
            BAD_CONFIGURATION,
        )
    try:
        repository, revision = split(chosen, model)
    except FileNotFoundError as error:
        fail(f"{model}: {error}", BAD_CONFIGURATION)
    return Wanted(spec, chosen, repository, revision)


def _there(wanted: Wanted) -> Path | None:
    """Return where the weights are; ``None`` when there is something to download or to mend."""
    from chronotick.hub import damaged
    from chronotick.plugin.weights import find

    try:
        found = find(wanted.checkpoint, wanted.spec.name)
    except FileNotFoundError as error:
        fail(f"{wanted.spec.name}: {error}")
    if found is None:
        return None
    broken = damaged(found.directory)
    if broken:
        click.echo(f"damaged: {', '.join(broken)} in {found.directory}", err=True)
    return None if broken else found.directory


def _import(wanted: Wanted, source: Path, *, as_json: bool) -> None:
    from chronotick.hub import HubProblem, OtherWeights, import_directory

    name = wanted.spec.name
    try:
        done = import_directory(source, wanted.repository, wanted.revision)
    except OtherWeights as error:
        fail(f"{name}: {error}: chronotick models remove {name} --checkpoint {wanted.checkpoint}")
    except HubProblem as error:
        fail(f"{wanted.spec.name}: {error}")
    for name in done.left_out:
        click.echo(f"left out {name}: a pickle, which runs code when it is loaded", err=True)
    how = f"{done.linked} files linked, {done.copied} copied from {source}"
    message = "already there" if done.already_there else how
    _tell(wanted, done.directory, message, as_json=as_json)


def _download(wanted: Wanted, *, yes: bool, as_json: bool) -> None:
    from chronotick.hub import Hub, HubProblem, download
    from chronotick.plugin.weights import is_offline, missing

    name = wanted.spec.name
    if is_offline(os.environ):
        why = "HF_HUB_OFFLINE forbids a download"
        fail(f"{name}: {missing(wanted.checkpoint, name, why)}")
    try:
        hub = Hub.from_environment()
        release = hub.release(wanted.repository, wanted.revision)
        _agree(wanted, release, yes=yes)
        directory = download(hub, release, progress=_progress())
    except HubProblem as error:
        fail(
            f"{name}: {error}. Where there is no network, bring a directory: "
            f"chronotick models pull {name} --checkpoint {wanted.checkpoint} --from DIR"
        )
    _tell(wanted, directory, "downloaded", as_json=as_json)


def _agree(wanted: Wanted, release: Release, *, yes: bool) -> None:
    """Show what would be downloaded, and get consent to it or end."""
    from chronotick.hub import cache_directory
    from chronotick.hub.licences import is_non_commercial, is_open
    from chronotick.workers.inventory import known_checkpoint

    known = known_checkpoint(wanted.spec, wanted.checkpoint)
    stated = [licence for licence in (release.licence, known.licence if known else "") if licence]
    closed = [licence for licence in stated if not is_open(licence)]
    size = f"{megabytes(release.size_bytes / _MEGABYTE)} in {len(release.files)} files"
    lines = [
        f"weights  {release.repository}@{release.commit}",
        f"licence  {_same(stated) or 'none stated'}",
        f"size     {size}, into {cache_directory()}",
    ]
    if any(is_non_commercial(licence) for licence in stated):
        lines.append("         NOT for commercial use")
    click.echo("\n".join(lines), err=True)
    if yes:
        return
    if sys.stdin.isatty():
        click.confirm("download?", default=not closed and bool(stated), abort=True, err=True)
    elif closed or not stated:
        fail(
            f"{wanted.spec.name}: its licence ({_same(stated) or 'none stated'}) must be accepted. "
            "If you do, add --yes"
        )


def _same(licences: list[str]) -> str:
    """One word where the hub and the plugin agree, both where they do not."""
    if len({licence.lower() for licence in licences}) < 2:  # noqa: PLR2004 - one or none
        return licences[-1] if licences else ""
    return f"{licences[0]} says the hub, {licences[1]} says the plugin"


def _progress() -> Callable[[str, int, int], None]:
    """On a terminal one line that changes, elsewhere a line for every tenth."""
    live, told = sys.stderr.isatty(), -1

    def tell(name: str, done: int, total: int) -> None:
        nonlocal told
        percent = 100 * done // total if total else 100
        step = percent if live else percent // 10
        if step == told:
            return
        told = step
        line = f"{percent:3} % of {megabytes(total / _MEGABYTE)}  {name}"
        click.echo(f"\r{line:79.79}" if live else line, err=True, nl=not live or percent == 100)  # noqa: PLR2004 - done

    return tell


def _tell(wanted: Wanted, directory: Path, how: str, *, as_json: bool) -> None:
    from chronotick.hub import size_bytes

    answer: dict[str, Any] = {
        "model": wanted.spec.name,
        "checkpoint": wanted.checkpoint,
        "commit": directory.name,
        "directory": str(directory),
        "size_bytes": size_bytes(directory),
        "how": how,
    }
    if as_json:
        print_json(answer)
    else:
        size = megabytes(answer["size_bytes"] / _MEGABYTE)
        click.echo(f"{wanted.spec.name}: {how}: {wanted.checkpoint}, {size}, in {directory}")


def _refuse_used(wanted: Wanted, report: dict[str, Any] | None) -> None:
    for name, entry in (report or {}).items():
        loaded = entry.get("checkpoint") or ""
        # While it loads nobody knows what it will have loaded: its own weights, most likely.
        loading = name == wanted.spec.name and not loaded
        if loading or loaded.startswith(f"{wanted.repository}@"):
            fail(
                f"{wanted.checkpoint} is used by model {name} of the running daemon. "
                "Stop it, or leave that model out, first"
            )
