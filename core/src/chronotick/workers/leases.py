"""What a worker runs on, for as long as it runs: an interpreter and the paths of our own code."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_INSIDE: Final = Path(__file__).with_name("inside.py")


@dataclass(frozen=True, slots=True)
class Lease:
    """An environment in use: ``prune`` leaves it, and the code beside it, alone until released.

    Attributes:
        interpreter: of the environment.
        paths: directories of our own code that it does not find by itself, ChronoTick's first.
        descriptors: hold the locks.
    """

    interpreter: Path
    paths: tuple[Path, ...] = ()
    descriptors: tuple[int, ...] = ()

    def release(self) -> None:
        """Allow what is held to be pruned; called once."""
        for descriptor in self.descriptors:
            os.close(descriptor)


def command(held: Lease, module: str | Path, *arguments: str | Path) -> list[str]:
    """Return the command line that runs a module of ours in an environment, isolated.

    Args:
        held: lease on the environment.
        module: what follows ``python -m``, e.g. ``"chronotick_chronos.tiny"``; or the path of a
            script, ``….py``.
        arguments: of the module or script.
    """
    words = [_INSIDE, *held.paths, "--", module, *arguments]
    return [str(held.interpreter), "-I", *map(str, words)]
