"""The worlds of the study: which hosts there are, and how they are simulated."""
# ruff: noqa: INP001 - a program, not a package

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from chronotick.lab import Simulation, write

NETWORKS = ("dc", "wan", "wifi")
CLOCKS = ("calm", "hvac", "load", "host")
DRAWS = (1, 2)
"""Hosts of each network and clock."""
DURATION_S = 12 * 3600.0


def names() -> Iterator[tuple[str, int]]:
    """Each world's name and seed: no two worlds share chance."""
    seed = 0
    for network in NETWORKS:
        for clock in CLOCKS:
            for draw in DRAWS:
                seed += 1
                yield f"{network}-{clock}-{draw}", seed


def simulate(directory: Path) -> Path:
    """Write all worlds that are not there yet, and return their directory."""
    for name, seed in names():
        place = directory / name
        if (place / "world.json").exists():
            continue
        preset = name.rpartition("-")[0]
        world = Simulation.named(preset, seed=seed)
        write(world.model_copy(update={"duration_s": DURATION_S}), place, force=True)
    return directory
