"""``chronotick lab train`` and ``chronotick lab prior``: own weights, and what they can win."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chronotick.cli.bars import bars
from chronotick.cli.choosing import announce_building, plugins_with, quieten_workers
from chronotick.cli.numbers import COUNT, SEED
from chronotick.cli.output import (
    BAD_CONFIGURATION,
    fail,
    interruptible,
    json_option,
    print_json,
    table,
)
from chronotick.cli.settings import load_settings

if TYPE_CHECKING:
    from chronotick.lab.training.recipe import Recipe
    from chronotick.plugin.contract import ModelSpec

INTERRUPTED = 130  # what shells say of a program that Ctrl-C ended
Event = Mapping[str, Any]


@click.command()
@click.argument("model")
@click.option(
    "--config",
    "named",
    metavar="NAME|FILE",
    default="clocks",
    show_default=True,
    help="Recipe that comes with the model, or a file of YAML or TOML.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    metavar="DIR",
    help="Directory the weights are written to; made if need be.",
)
@click.option("--resume", is_flag=True, help="Go on where an interrupted training stopped.")
@click.option(
    "--device",
    default="auto",
    show_default=True,
    help="Where the network learns: auto, cpu or cuda[:N].",
)
@click.option(
    "--threads", type=click.IntRange(1), help="CPU threads of the network (default: one)."
)
@click.option(
    "--processes",
    type=click.IntRange(1),
    help="Processes that make examples (default: one per core).",
)
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change the recipe: training.steps=100. May be repeated.",
)
@json_option
def train(
    model: str,
    *,
    named: str,
    out: Path,
    resume: bool,
    device: str,
    threads: int | None,
    processes: int | None,
    changes: tuple[str, ...],
    as_json: bool,
) -> None:
    """Train weights of MODEL on simulated clocks, in its own environment.

    Examples are made while it learns: nothing is downloaded, no data are stored. The same recipe
    gives the same examples whatever the number of processes. Ctrl-C keeps what was learnt: go on
    with --resume.
    """
    from chronotick.lab.training.conducting import Training, TrainingFailed
    from chronotick.lab.training.conducting import train as run
    from chronotick.workers.errors import EnvironmentProblem

    spec = plugins_with(model).find(model)
    recipe = _recipe(spec, named, changes)
    config = load_settings(None).config
    quieten_workers()
    announce_building(spec, config, device)
    training = Training(
        spec=spec,
        recipe=recipe,
        out=out,
        resume=resume,
        device=device,
        threads=threads or 1,
        processes=processes or os.cpu_count() or 1,
        command=_command(model, named, out, changes),
    )
    try:
        with _progress() as show:
            saved = run(training, config.workers, show)
    except KeyboardInterrupt:
        click.echo(f"interrupted. Go on with: {training.command} --resume", err=True)
        raise click.exceptions.Exit(INTERRUPTED) from None
    except (EnvironmentProblem, TrainingFailed, OSError) as error:
        fail(f"{model}: {error}")
    use = f"chronotick run --models {model} --checkpoint {model}={saved}"
    if as_json:
        print_json({"model": model, "directory": str(saved), "use": use})
    else:
        click.echo(f"written: {saved}\nuse it: {use}")


@click.command()
@click.option(
    "--oracle", is_flag=True, help="Measure what of the filter's error could be foreseen."
)
@click.option("--worlds", type=COUNT, default=8, show_default=True, help="Worlds of each kind.")
@click.option("--seed", type=SEED, default=7, show_default=True, help="Of these worlds.")
@click.option("--config", "file", type=click.Path(path_type=Path), help="Recipe with the prior.")
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="Change it.")
@json_option
@interruptible
def prior(
    *,
    oracle: bool,
    worlds: int,
    seed: int,
    file: Path | None,
    changes: tuple[str, ...],
    as_json: bool,
) -> None:
    """Show the ranges that worlds for training are drawn from.

    With --oracle, what is left of the filter's error, by kind of world and horizon: to an oracle
    that sees all cycles and loads until now, and to an ideal filter that knows the world's
    parameters, but has the measurements only. Hardly any training can win more.
    """
    from chronotick.lab.training.recipe import Recipe, RecipeError, change, read

    try:
        recipe = read(file, changes) if file else change(Recipe(), changes)
    except RecipeError as error:
        fail(error, BAD_CONFIGURATION)
    if not oracle:
        told = recipe.prior.model_dump(mode="json")
        print_json(told) if as_json else click.echo(table([*told.items()], ("key", "value")))
        return
    rows = list(_foreseen(recipe, seed, worlds, as_json=as_json))
    if as_json:
        print_json(rows)


def _foreseen(recipe: Recipe, seed: int, worlds: int, *, as_json: bool) -> Iterator[dict[str, Any]]:
    """What is left to the oracle, a kind after the other: each takes a minute."""
    from chronotick.lab.training.oracle import HORIZONS_S, left, of_prior

    if not as_json:
        click.echo("rms error over that of the filter (standard error, a factor)")
        horizons = (f"{each:>6.0f} s      " for each in HORIZONS_S)
        click.echo("  ".join(["kind  ", "worlds", "who   ", *horizons]))
    for kind in recipe.prior.allowed:
        found = list(of_prior(recipe.prior, seed, kind, worlds))
        if not found:
            continue
        for who, ratio, error in zip(("oracle", "ideal"), *left(found), strict=True):
            if not as_json:
                told = (f"{r:6.3f} (x/{e:4.2f})" for r, e in zip(ratio, error, strict=True))
                click.echo("  ".join([f"{kind:6}", f"{len(found):6}", f"{who:6}", *told]))
            yield {
                "kind": kind,
                "worlds": len(found),
                "who": who,
                "horizons_s": list(HORIZONS_S),
                "ratio": ratio.tolist(),
                "standard_error_factor": error.tolist(),
                "predictable_variance": (1 - ratio**2).tolist(),
            }


def _recipe(spec: ModelSpec, named: str, changes: tuple[str, ...]) -> Recipe:
    from chronotick.lab.training.recipe import RecipeError, find, read

    if not spec.trainer:
        fail(f"{spec.name}: its plugin trains no weights", BAD_CONFIGURATION)
    package = spec.trainer.partition(".")[0].partition(":")[0]
    try:
        return read(find(named, package), changes)
    except RecipeError as error:
        fail(error, BAD_CONFIGURATION)


def _command(model: str, named: str, out: Path, changes: tuple[str, ...]) -> str:
    """The command that does the same again."""
    words = ["chronotick", "lab", "train", model, "--config", named, "--out", out.name]
    return shlex.join([*words, *(word for each in changes for word in ("--set", each))])


@contextmanager
def _progress() -> Iterator[Callable[[Event], None]]:
    """A bar with the time left on a terminal; elsewhere a line now and then."""
    with bars() as shown:
        if shown is None:
            yield _lines()
            return
        task = shown.add_task("making examples", total=None)

        def show(event: Event) -> None:
            if event["event"] == "step":
                words = f"loss {event['loss']:.4f}  {event['examples_per_s']:.0f}/s"
                shown.update(task, description=words, completed=event["step"], total=event["of"])
            elif (said := _words(event)) is not None:
                shown.console.print(said, highlight=False)

        yield show


def _lines() -> Callable[[Event], None]:
    """Say it when a tenth more is done."""
    told = -1

    def show(event: Event) -> None:
        nonlocal told
        if event["event"] == "step":
            tenth = 10 * event["step"] // event["of"]
            if tenth == told:
                return
            told = tenth
            rate = f"loss {event['loss']:.4f}, {event['examples_per_s']:.0f} examples/s"
            click.echo(f"step {event['step']} of {event['of']}: {rate}", err=True)
        elif (words := _words(event)) is not None:
            click.echo(words, err=True)

    return show


def _words(event: Event) -> str | None:
    """What is told of an event, whatever the progress is shown with."""
    if event["event"] == "started":
        return f"{event['parameters']} parameters; making examples first"
    if event["event"] == "resumed":
        return f"going on from step {event['step']}"
    if event["event"] == "validation":
        best = ", the best so far" if event.get("best") else ""
        ratio = f", error over the filter's {event['metrics']['ratio'][0]:.3f}"
        return f"step {event['step']}: loss on other worlds {event['loss']:.4f}{ratio}{best}"
    return None
