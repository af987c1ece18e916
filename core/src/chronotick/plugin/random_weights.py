"""Runs a plugin's writer of random weights: a program for the worker's environment.

``python -m chronotick.plugin.random_weights package.module:function DIRECTORY SIZE``
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path


def main() -> None:
    """Write a checkpoint; see ``random_weights`` of :class:`chronotick.plugin.ModelSpec`."""
    place, directory, size = sys.argv[1:]
    module, _, name = place.partition(":")
    path = Path(directory)
    path.mkdir(parents=True, exist_ok=True)
    getattr(import_module(module), name)(path, size)


if __name__ == "__main__":
    main()
