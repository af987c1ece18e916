"""Random checkpoints of a model's real architecture: tests without a network or gigabytes."""

from __future__ import annotations

import subprocess
from pathlib import Path

from chronotick.config.schema import Workers
from chronotick.plugin.contract import ModelSpec
from chronotick.workers import command, provide


class NoRandomWeights(ValueError):  # noqa: N818 - says what there is not
    """Raised when a plugin writes no random weights, or not of that size, or failed to."""


def size_of(spec: ModelSpec, size: str = "") -> str:
    """Return the size that is meant: this one, or the smallest.

    Raises:
        NoRandomWeights: the plugin does not write it.
    """
    if not spec.random_sizes:
        raise NoRandomWeights(f"{spec.name}: its plugin writes no random weights")
    if size and size not in spec.random_sizes:
        sizes = ", ".join(spec.random_sizes)
        raise NoRandomWeights(f"{spec.name}: no size {size!r}; the sizes it writes: {sizes}")
    return size or spec.random_sizes[0]


def random_checkpoint(spec: ModelSpec, directory: Path, config: Workers, size: str = "") -> Path:
    """Write random weights with the plugin's own function, in the model's environment.

    Args:
        spec: of the model.
        directory: where to; made if it is not there.
        config: where environments are, and whether they may be built.
        size: one of ``spec.random_sizes``; empty: the smallest.

    Returns:
        The directory.

    Raises:
        NoRandomWeights: the plugin has no such function or size, or it failed.
        EnvironmentProblem: the model's environment could not be built.
    """
    chosen = size_of(spec, size)
    lease = provide(spec, config.environments, "cpu", allowed=config.build, offline=config.offline)
    try:
        line = command(
            lease, "chronotick.plugin.random_weights", spec.random_weights, directory, chosen
        )
        done = subprocess.run(line, capture_output=True, text=True, check=False)
    finally:
        lease.release()
    if done.returncode != 0:
        raise NoRandomWeights(f"{spec.random_weights} failed:\n{done.stderr.strip()[-2000:]}")
    return directory
