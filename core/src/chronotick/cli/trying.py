"""``chronotick models check``, ``bench`` and ``tiny``: models in their real environments, tried."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chronotick.cli.choosing import (
    announce_building,
    as_worker,
    checkpoint_of,
    checkpoint_option,
    device_option,
    in_daemon,
    plugins_with,
    quieten_workers,
)
from chronotick.cli.output import (
    BAD_CONFIGURATION,
    FAILED,
    fail,
    json_option,
    outcome_line,
    print_json,
    seconds,
    table,
    wrapped,
)
from chronotick.cli.settings import config_option, load_settings

if TYPE_CHECKING:
    from chronotick.config.schema import Config
    from chronotick.plugin.contract import ModelSpec
    from chronotick.testing.measuring import Measured, Question

_WEIGHTS_WIDTH = 36  # with which the table fits 100 columns


@click.command()
@click.argument("model")
@checkpoint_option
@device_option
@click.option("--tiny", is_flag=True, help="Check with small random weights, made first.")
@config_option
@json_option
def check(
    model: str,
    *,
    checkpoint: str | None,
    device: str,
    tiny: bool,
    config_path: Path | None,
    as_json: bool,
) -> None:
    """Check that MODEL does what is asked of every model, in its own environment and process.

    Exit code 1 if it does not. Models that the daemon computes itself are not checked.
    """
    from chronotick.testing.outcomes import outcomes

    if tiny and checkpoint:
        raise click.UsageError("give either --tiny or --checkpoint")
    config, plugins = load_settings(config_path).config, plugins_with(model)
    spec = plugins.find(model)
    named = checkpoint_of(checkpoint, [model]).get(model, "")
    if tiny:
        _check_size(spec, "")
    elif in_daemon(spec, plugins.origins.get(model, "")):
        click.echo(f"{model}: computed in the daemon: not checked here", err=as_json)
        if as_json:
            print_json([])
        return
    else:
        _check_weights(spec, config, named)
    quieten_workers()
    announce_building(spec, config, device)
    failed, found = False, []
    with _or_end(model), _weights(spec, config, "" if tiny else None) as made:
        chosen = made or named
        for outcome in outcomes(as_worker(spec), config.workers, checkpoint=chosen, device=device):
            failed |= not outcome.passed
            found.append(asdict(outcome) | {"passed": outcome.passed})
            if not as_json:
                click.echo(outcome_line(outcome))
    if as_json:
        print_json(found)
    if failed:
        raise click.exceptions.Exit(FAILED)


@click.command()
@click.argument("models", nargs=-1, required=True)
@click.option("--context", type=click.IntRange(1), default=512, show_default=True, help="Samples.")
@click.option("--horizon", type=click.IntRange(1), default=64, show_default=True, help="Steps.")
@click.option("--batch", type=click.IntRange(1), default=1, show_default=True, help="Series.")
@click.option("--threads", type=click.IntRange(1), help="CPU threads (default: as configured).")
@click.option(
    "--repeat", type=click.IntRange(3), default=20, show_default=True, help="Forecasts measured."
)
@click.option("--size", help="Make random weights of this size first (see models tiny --list).")
@checkpoint_option
@device_option
@config_option
@json_option
def bench(
    models: tuple[str, ...],
    *,
    context: int,
    horizon: int,
    batch: int,
    threads: int | None,
    repeat: int,
    size: str | None,
    checkpoint: str | None,
    device: str,
    config_path: Path | None,
    as_json: bool,
) -> None:
    """Measure load time, latency and memory of MODELS in their real workers.

    Every forecast takes turns with a fixed piece of arithmetic in this process: the ratio of the
    two holds on a busy machine too, and from machine to machine better than milliseconds do.
    """
    from chronotick.testing import NotReady, Violation
    from chronotick.testing.measuring import Question, Trial, measure

    if size and checkpoint:
        raise click.UsageError("give either --size or --checkpoint")
    config = _with_threads(load_settings(config_path).config, threads)
    plugins = plugins_with(*models)
    named = checkpoint_of(checkpoint, models)
    if size is not None:  # of all before the first is measured: nothing measured is lost
        for name in models:
            _check_size(plugins.find(name), size)
    question = Question(context=context, horizon=horizon, batch=batch, repeat=repeat)
    quieten_workers()
    results: list[Measured] = []
    failed = False
    for name in models:
        spec = plugins.find(name)
        announce_building(spec, config, device)
        try:
            with _weights(spec, config, size) as made:
                trial = Trial(
                    spec=as_worker(spec),
                    checkpoint=made or named.get(name, ""),
                    device=device,
                    random_size=(size or spec.random_sizes[0]) if made else "",
                )
                results.append(measure(trial, config.workers, question))
        except (NotReady, Violation) as error:
            failed = True
            click.echo(f"chronotick: {name}: {error}", err=True)
    if as_json:
        print_json({"question": asdict(question), "models": [asdict(item) for item in results]})
    elif results:
        _show(results, question)
    if failed:
        raise click.exceptions.Exit(FAILED)


@click.command()
@click.argument("model")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Directory to write; made if need be.",
)
@click.option("--size", default="", help="Which size to write (default: the smallest).")
@click.option("--list", "list_sizes", is_flag=True, help="List the sizes instead.")
@click.option("--force", is_flag=True, help="Write into a directory that is not empty.")
@config_option
@json_option
def tiny(
    model: str,
    *,
    out: Path | None,
    size: str,
    list_sizes: bool,
    force: bool,
    config_path: Path | None,
    as_json: bool,
) -> None:
    """Write random weights of MODEL's real architecture: to try things without a network.

    Forecasts from random weights are worth nothing; everything else is as it will be.
    """
    spec = plugins_with(model).find(model)
    if list_sizes:
        print_json(spec.random_sizes) if as_json else click.echo("\n".join(spec.random_sizes))
        return
    if out is None:
        raise click.UsageError("Missing option '--out'")
    _check_target(out, force=force)
    _check_size(spec, size)
    config = load_settings(config_path).config
    announce_building(spec, config, "cpu")
    with _or_end(model):
        directory = _write(spec, out.absolute(), config, size)
    use = f"chronotick run --models {model} --checkpoint {model}={directory}"
    if as_json:
        chosen = size or spec.random_sizes[0]
        print_json({"model": model, "size": chosen, "directory": str(directory), "use": use})
    else:
        click.echo(f"written: {directory} (random weights)\nuse it: {use}")


def _check_target(out: Path, *, force: bool) -> None:
    if out.exists() and not out.is_dir():
        fail(f"{out} is not a directory", BAD_CONFIGURATION)
    if out.is_dir() and any(out.iterdir()) and not force:
        fail(f"{out} is not empty. Choose another directory, or --force", BAD_CONFIGURATION)


@contextmanager
def _weights(spec: ModelSpec, config: Config, size: str | None) -> Iterator[str]:
    """Random weights for the length of a command; an empty string when none are asked for."""
    if size is None:
        yield ""
        return
    directory = Path(tempfile.mkdtemp(prefix="chronotick-weights-"))
    try:
        yield str(_write(spec, directory, config, size))
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _write(spec: ModelSpec, directory: Path, config: Config, size: str) -> Path:
    """Write random weights.

    Raises:
        NotReady: they could not be written.
    """
    from chronotick.testing import NotReady
    from chronotick.testing.checkpoints import NoRandomWeights, random_checkpoint
    from chronotick.workers.errors import EnvironmentProblem

    try:
        return random_checkpoint(spec, directory, config.workers, size)
    except (NoRandomWeights, EnvironmentProblem) as error:
        raise NotReady(str(error)) from error


@contextmanager
def _or_end(model: str) -> Iterator[None]:
    """End with the reason where a model cannot be made ready."""
    from chronotick.testing import NotReady

    try:
        yield
    except NotReady as error:
        fail(f"{model}: {error}")


def _check_size(spec: ModelSpec, size: str) -> None:
    from chronotick.testing.checkpoints import NoRandomWeights, size_of

    try:
        size_of(spec, size)
    except NoRandomWeights as error:
        fail(error, BAD_CONFIGURATION)


def _check_weights(spec: ModelSpec, config: Config, named: str) -> None:
    """Say before an environment is built that weights are missing; ends if nothing brings them."""
    from chronotick.plugin.weights import find, is_offline, missing

    if spec.checkpoint is None:
        return
    name, usual = spec.name, spec.checkpoint.identifier
    chosen = named or config.workers.checkpoints.get(name) or usual
    tiny = f"; or check with random weights: chronotick models check {name} --tiny"
    tiny = tiny if spec.random_sizes else ""
    try:
        if find(chosen, name):
            return
        problem = missing(chosen, name, usual=chosen == usual)
    except FileNotFoundError as error:
        fail(f"{name}: weights: {str(error).rstrip('.')}{tiny}")
    if config.workers.offline or is_offline(os.environ):
        fail(f"{name}: weights: {problem}{tiny}")
    click.echo(f"{name}: weights: {problem}{tiny}. Trying to download them", err=True)


def _with_threads(config: Config, threads: int | None) -> Config:
    """What the command line says holds for every model, whatever its overrides say."""
    if threads is None:
        return config
    workers = config.workers
    others = {k: v.model_copy(update={"threads": None}) for k, v in workers.overrides.items()}
    update = {"threads": threads, "overrides": others}
    return config.model_copy(update={"workers": workers.model_copy(update=update)})


def _show(results: list[Measured], question: Question) -> None:
    header = ("model", "weights", "parameters", "start", "median", "p90", "ratio", "memory")
    click.echo(table([_row(item) for item in results], header))
    reference = results[0]
    click.echo()
    note = (
        f"ratio: median to that of {reference.reference} "
        f"({reference.reference_median_s * 1e3:.2f} ms beside {reference.model}, in this run). "
        "start: until the model is loaded. memory: the process at its peak. "
        f"threads: {', '.join(f'{item.threads} ({item.model})' for item in results)}."
    )
    click.echo(wrapped(note, indent=0))
    less = [
        f"{item.model} (context {item.context}, horizon {item.horizon})"
        for item in results
        if (item.context, item.horizon) != (question.context, question.horizon)
    ]
    if less:
        click.echo(
            wrapped(f"asked with less, as the weights take no more: {', '.join(less)}.", indent=0)
        )
    random = [item.model for item in results if item.random_size]
    if random:
        click.echo(f"random weights: {', '.join(random)}. Cost is real, forecasts mean nothing.")


def _row(item: Measured) -> list[Any]:
    weights = f"random, {item.random_size}" if item.random_size else item.checkpoint or "-"
    return [
        item.model,
        shortened(weights),
        f"{item.parameters / 1e6:.3g} M" if item.parameters else "-",
        f"{item.start_s:.2f} s",
        seconds(item.median_s),
        seconds(item.p90_s),
        f"{item.ratio:.3g}",
        f"{item.peak_memory_mb:.0f} MiB",
    ]


def shortened(weights: str) -> str:
    """What tells of a name: of a commit the start, of a path the end."""
    name = re.sub(r"@([0-9a-f]{7})[0-9a-f]{33}$", r"@\1", weights)
    return name if len(name) <= _WEIGHTS_WIDTH else f"...{name[3 - _WEIGHTS_WIDTH :]}"
