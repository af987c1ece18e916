"""``chronotick lab simulate``: worlds with known truth, as files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from chronotick.cli.durations import DURATION, Duration
from chronotick.cli.numbers import COUNT, FALSE_SERVERS, SEED, SERVERS
from chronotick.cli.output import fail, interruptible, json_option, print_json, table

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from chronotick.lab.polling import Polling
    from chronotick.lab.simulation import Simulation
    from chronotick.lab.writing import Written

ADAPTIVE = "adaptive"
MOST_ERRORS = 3
"""One wrong key for every server (`servers.*`) is said often enough."""


class PollParameter(Duration):
    """A poll interval: a time, or ``adaptive``."""

    name = "poll"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return seconds, infinite for adaptive, or end with code 2."""
        return float("inf") if value == ADAPTIVE else super().convert(value, param, ctx)


@click.command()
@click.argument("world")
@click.option(
    "--out",
    "directory",
    type=click.Path(path_type=Path),
    required=True,
    help="Directory for the files; with --count, for a directory each.",
)
@click.option("--servers", type=SERVERS, help="How many servers (default: what WORLD says, or 4).")
@click.option(
    "--false",
    "liars",
    type=FALSE_SERVERS,
    help="How many of them are 30 ms wrong (default: what WORLD says, or none).",
)
@click.option(
    "--poll",
    type=PollParameter(),
    metavar="TIME|adaptive",
    help="Pause between questions; adaptive is 64s to 1024s (default: what WORLD says, or 64s).",
)
@click.option("--duration", type=DURATION, help="How long (default: what WORLD says, or 24h).")
@click.option("--every", type=DURATION, help="Time between statements of the truth (default: 10s).")
@click.option("--seed", type=SEED, help="Chance (default: what WORLD says, or 0).")
@click.option(
    "--count", type=COUNT, help="Simulate this many seeds, from --seed on, in DIR/NAME-SEED."
)
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a part of the description, e.g. oscillator.wander=3e-9 or "
    "'servers.*.path.forward.loss=0.05'. May be repeated.",
)
@click.option("--force", is_flag=True, help="Replace files that are there.")
@json_option
@interruptible
def simulate(
    *,
    world: str,
    directory: Path,
    servers: int | None,
    liars: int | None,
    poll: float | None,
    duration: float | None,
    every: float | None,
    seed: int | None,
    count: int | None,
    assignments: tuple[str, ...],
    force: bool,
    as_json: bool,
) -> None:
    """Write what a client measures in a simulated WORLD, and the truth.

    WORLD is NETWORK-CLOCK (wan-hvac), a name in the style of recorded worlds
    (wan_hvacs_p6_s4_false: network, clock, poll, servers, one of them wrong), or a description
    (a JSON file).

    Writes measurements.csv.gz, truth.csv.gz and world.json, the description that makes both again.
    The same options and numpy give the same bytes.
    """
    from chronotick.lab.writing import refuse_existing, write

    simulations = _seeds(world, servers=servers, liars=liars, seed=seed, count=count or 1)
    times = {"duration_s": duration, "every_s": every}
    ready = [_changed(each, poll, times, assignments) for each in simulations]
    places = [directory / f"{each.name}-{each.world.seed}" for each in ready]
    places = places if count else [directory]
    try:
        for place in places:  # before the first is simulated: it takes a while
            refuse_existing(place, force=force)
        written = [
            write(each, place, force=force) for each, place in zip(ready, places, strict=True)
        ]
    except OSError as error:
        said = f"{error.filename}: {error.strerror}." if error.errno else error
        fail(f"--out: {said}")
    except OverflowError as error:
        fail(f"{world}: a number of the description is too large to be simulated ({error}).")
    _report(written, as_json=as_json)


def _seeds(
    world: str, *, servers: int | None, liars: int | None, seed: int | None, count: int
) -> list[Simulation]:
    """One simulation for each seed, or an error that is the user's."""
    from chronotick.lab.simulation import Simulation

    path = Path(world)
    try:
        if path.suffix != ".json" and not path.is_file():
            first = seed or 0
            return [
                Simulation.named(world, servers=servers, false=liars, seed=number)
                for number in range(first, first + count)
            ]
        if servers is not None or liars is not None:
            raise click.UsageError(
                "--servers and --false are for named worlds; a description says what servers there "
                "are. Change them there, or with --set."
            )
        _refuse_recording(path)
        described = Simulation.read(path)
        first = described.world.seed if seed is None else seed
        return [described.seeded(number) for number in range(first, first + count)]
    except OSError as error:
        fail(f"{path} cannot be read: {error.strerror}.")
    except ValueError as error:
        raise click.UsageError(f"{world}: {_reason(error)}") from None


def _refuse_recording(path: Path) -> None:
    """See that a description is not a recording, packed or not."""
    from chronotick.lab.recordings import RecordingError
    from chronotick.lab.recordings.opening import content

    try:
        text = content(str(path))
    except RecordingError:  # who reads a description says why
        return
    if path.suffix != ".json" and not text.lstrip().startswith(b"{"):
        raise click.UsageError(
            f"{path} is no description of a world (JSON). If it is a recording: chronotick lab "
            f"replay {path}"
        )


def _changed(
    simulation: Simulation,
    poll: float | None,
    times: dict[str, float | None],
    assignments: tuple[str, ...],
) -> Simulation:
    """What the options say instead."""
    from chronotick.lab.assignment import assign
    from chronotick.lab.simulation import Simulation

    given: dict[str, object] = {key: value for key, value in times.items() if value is not None}
    if poll is not None:
        given["polling"] = _polling(simulation.polling, poll)
    try:
        changed = Simulation.model_validate(dict(simulation) | given)
        return assign(changed, assignments)
    except ValueError as error:
        raise click.UsageError(_reason(error)) from None


def _polling(polling: Polling, poll: float) -> Polling:
    from chronotick.lab.simulation import ADAPTIVE as BETWEEN

    if poll == float("inf"):
        return BETWEEN
    return polling.model_copy(update={"interval_s": poll, "maximum_s": None})


def _reason(error: ValueError) -> str:
    """What is wrong, with its place in the description."""
    from pydantic import ValidationError

    if not isinstance(error, ValidationError):
        return str(error)
    return "; ".join(_located(each) for each in error.errors()[:MOST_ERRORS])


def _located(detail: ErrorDetails) -> str:
    place = ".".join(map(str, detail["loc"]))
    said = detail["msg"].removeprefix("Value error, ")
    return f"{place}: {said}" if place else said


def _report(written: list[Written], *, as_json: bool) -> None:
    if as_json:
        print_json(
            [
                {
                    "directory": str(each.directory),
                    "measurements": each.measurements,
                    "lost": each.lost,
                    "truths": each.truths,
                }
                for each in written
            ]
        )
        return
    rows = [(each.directory, each.measurements, each.lost, each.truths) for each in written]
    click.echo(table(rows, ("written", "measurements", "lost", "truths")))
