"""One figure per network: our error over a day beside chrony's, and what sigma and bound said."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from estimates import Estimates
from worlds import World

mpl.use("svg")
from matplotlib import pyplot as plt

NORMAL_95 = 1.96


def draw(results: Sequence[tuple[World, Estimates]], directory: Path) -> None:
    """Draw a panel for each world, a file for each network."""
    directory.mkdir(parents=True, exist_ok=True)
    networks = dict.fromkeys(world.network for world, _ in results)
    for network in networks:
        chosen = [(w, e) for w, e in results if w.network == network]
        _draw_network(network, chosen, directory / f"accuracy-{network}.svg")


def _draw_network(network: str, chosen: Sequence[tuple[World, Estimates]], path: Path) -> None:
    figure, axes = plt.subplots(
        len(chosen), 1, sharex=True, squeeze=False, figsize=(9, 1.8 * len(chosen) + 0.8)
    )
    for axis, (world, estimates) in zip(axes[:, 0], chosen, strict=True):
        _draw_world(axis, world, estimates)
    axes[0, 0].legend(loc="upper right", ncols=3, fontsize="x-small", frameon=False)
    axes[-1, 0].set_xlabel("local time, h")
    figure.suptitle(f"{network}: error of the estimate, µs")
    figure.tight_layout()
    figure.savefig(path)
    plt.close(figure)
    print(f"drawn: {path}")


def _draw_world(axis: plt.Axes, world: World, estimates: Estimates) -> None:
    hours, truth = world.truth.time_s / 3600, world.truth
    ours = (estimates.offset_s - truth.offset_s) * 1e6
    chrony = (truth.chrony_s - truth.offset_s) * 1e6
    half = NORMAL_95 * estimates.sigma_s * 1e6
    axis.plot(hours, chrony, color="0.7", linewidth=0.6, label="chrony, default")
    axis.fill_between(hours, -half, half, color="tab:blue", alpha=0.15, linewidth=0, label="95 %")
    axis.plot(hours, ours, color="tab:blue", linewidth=0.8, label="ChronoTick")
    shown = np.abs(np.concatenate([ours, chrony])[np.tile(truth.counts, 2)])
    reach = float(np.nanquantile(shown, 0.995)) * 1.2
    axis.set_ylim(-reach, reach)
    axis.set_ylabel(world.name, rotation=0, ha="right", fontsize="x-small")
    axis.margins(x=0)
