"""Nodes with worlds of their own: mixed networks, mixed oscillators, different chance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from chronotick.lab.ordering.nodes import Node, open_node
from chronotick.lab.simulation import Simulation
from chronotick.lab.writing import write

WORLDS = ("dc-calm", "wan-hvac", "wifi-load", "dc-host", "wan-calm", "wifi-hvac")
"""Networks and clocks of simulated nodes, in turn."""
DURATION_S = 6 * 3600.0


def simulated_nodes(
    count: int,
    directory: Path,
    *,
    worlds: Sequence[str] = WORLDS,
    duration_s: float = DURATION_S,
    seed: int = 0,
    force: bool = False,
) -> list[Node]:
    """Simulate nodes, each in a folder of its own, with the seeds from ``seed`` on.

    Args:
        count: how many.
        directory: of the folders.
        worlds: names of `Simulation.named`, in turn.
        duration_s: how long.
        seed: of the first.
        force: replace files that are there.

    Raises:
        ValueError: there is no such world, or it cannot last so long.
        FileExistsError: a folder holds a world already, and not ``force``.
        OSError: a folder cannot be written.
    """
    return [
        simulated_node(
            worlds[number % len(worlds)],
            directory,
            duration_s=duration_s,
            seed=seed + number,
            force=force,
        )
        for number in range(count)
    ]


def simulated_node(
    world: str, directory: Path, *, duration_s: float, seed: int, force: bool = False
) -> Node:
    """Simulate one node in the folder ``WORLD-SEED``; arguments and errors as for several."""
    told = Simulation.named(world, seed=seed)
    simulation = Simulation.model_validate(dict(told) | {"duration_s": duration_s})
    folder = directory / f"{world}-{seed}"
    write(simulation, folder, force=force)
    return open_node(str(folder))
