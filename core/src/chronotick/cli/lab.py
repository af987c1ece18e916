"""``chronotick lab``: simulated worlds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from chronotick.cli.output import fail, interruptible

if TYPE_CHECKING:
    from chronotick.lab.world import World


@click.group()
def lab() -> None:
    """Simulated clocks, networks and time servers with known truth."""


@lab.command()
@click.option("--world", "preset", default="dc-hvac", show_default=True, help="NETWORK-CLOCK.")
@click.option("--servers", default=4, show_default=True, help="How many servers.")
@click.option("--false", "liars", default=0, show_default=True, help="How many of them are wrong.")
@click.option("--seed", default=0, show_default=True, help="Chance.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to answer on.")
@click.option("--port", "ports", multiple=True, type=int, help="A port per server (default: free).")
@click.option(
    "--describe",
    type=click.Path(path_type=Path),
    help="Write the world's description here: who reads it knows the truth.",
)
@click.option("--seconds", "duration", type=float, help="Stop after this time (default: never).")
@interruptible
def serve(
    *,
    preset: str,
    servers: int,
    liars: int,
    seed: int,
    host: str,
    ports: tuple[int, ...],
    describe: Path | None,
    duration: float | None,
) -> None:
    """Answer NTP on loopback from a simulated world, until stopped.

    Prints one address per line: each a server for `chronotick run --server`.
    """
    import asyncio

    from chronotick.lab.world import World

    try:
        world = World.from_preset(preset, servers=servers, false=liars, seed=seed).starting_now()
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    if describe is not None:
        describe.write_text(world.model_dump_json(indent=2) + "\n", encoding="utf-8")
    try:
        asyncio.run(_serve(world, host, ports, duration))
    except (OSError, ValueError) as error:
        fail(error)


async def _serve(world: World, host: str, ports: tuple[int, ...], duration: float | None) -> None:
    import asyncio
    import signal

    from chronotick.lab.server import serve as running

    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with running(world, host=host, ports=ports) as served:
        for address in served.addresses:
            click.echo(address)
        try:
            await asyncio.wait_for(stop.wait(), duration)
        except asyncio.TimeoutError:
            return
