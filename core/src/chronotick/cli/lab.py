"""``chronotick lab``: simulated worlds, and what the daemon makes of recordings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chronotick.cli.numbers import (
    ABOVE_ZERO,
    FALSE_SERVERS,
    LAST_PORT,
    PORT,
    SEED,
    SERVERS,
)
from chronotick.cli.ordering import order
from chronotick.cli.output import fail, interruptible, json_option, print_json
from chronotick.cli.replaying import replay
from chronotick.cli.scenarios import scenario
from chronotick.cli.simulating import simulate
from chronotick.cli.training import prior, train

if TYPE_CHECKING:
    from chronotick.lab.world import World


@click.group()
def lab() -> None:
    """Simulated worlds with known truth, and the daemon's code over recordings of any."""


lab.add_command(simulate)
lab.add_command(replay)
lab.add_command(order)
lab.add_command(scenario)
lab.add_command(train)
lab.add_command(prior)


@lab.command()
@click.option("--world", "preset", default="dc-hvac", show_default=True, help="NETWORK-CLOCK.")
@click.option("--servers", type=SERVERS, default=4, show_default=True, help="How many servers.")
@click.option(
    "--false",
    "liars",
    type=FALSE_SERVERS,
    default=0,
    show_default=True,
    help="How many of them are wrong.",
)
@click.option("--seed", type=SEED, default=0, show_default=True, help="Chance.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to answer on.")
@click.option(
    "--port",
    type=PORT,
    default=0,
    help="Port of the first server; the others follow (default: 0, any free ones).",
)
@click.option(
    "--describe",
    type=click.Path(path_type=Path),
    help="Write the world's description here: who reads it knows the truth.",
)
@click.option(
    "--seconds", "duration", type=ABOVE_ZERO, help="Stop after this time (default: never)."
)
@json_option
@interruptible
def serve(
    *,
    preset: str,
    servers: int,
    liars: int,
    seed: int,
    host: str,
    port: int,
    describe: Path | None,
    duration: float | None,
    as_json: bool,
) -> None:
    """Answer NTP on loopback from a simulated world, until stopped.

    Prints one address per line: each a server for `chronotick run --server`. JSON: one line.
    """
    import asyncio

    from chronotick.lab.world import World

    try:
        world = World.from_preset(preset, servers=servers, false=liars, seed=seed).starting_now()
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    ports = _ports(port, servers)
    if describe is not None:
        _describe(world, describe)
    try:
        asyncio.run(_serve(world, host, ports, duration, as_json=as_json))
    except (OSError, ValueError) as error:
        fail(error)


def _ports(first: int, count: int) -> Sequence[int]:
    if first + count - 1 > LAST_PORT:
        message = f"{count} servers do not fit: the ports would end at {first + count - 1}"
        raise click.BadParameter(
            f"{message}, above {LAST_PORT}. Give at most {LAST_PORT - count + 1}.",
            param_hint="--port",
        )
    return range(first, first + count) if first else ()


def _describe(world: World, path: Path) -> None:
    try:
        path.write_text(world.model_dump_json(indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        fail(f"--describe: {path} cannot be written: {error.strerror}.")


async def _serve(
    world: World,
    host: str,
    ports: Sequence[int],
    duration: float | None,
    *,
    as_json: bool,
) -> None:
    import asyncio
    import signal

    from chronotick.lab.server import serve as running

    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with running(world, host=host, ports=ports) as served:
        if as_json:
            print_json({"servers": served.addresses}, pretty=False)
        else:
            click.echo("\n".join(served.addresses))
        try:
            await asyncio.wait_for(stop.wait(), duration)
        except asyncio.TimeoutError:
            return
