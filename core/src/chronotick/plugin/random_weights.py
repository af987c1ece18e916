"""Runs a plugin's writer of random weights: a program for the worker's environment.

``python -m chronotick.plugin.random_weights package.module:function DIRECTORY SIZE``
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


def of_size(sizes: Mapping[str, T], size: str) -> T:
    """Return what a writer knows of a size.

    Raises:
        ValueError: it does not know it.
    """
    if size not in sizes:
        raise ValueError(f"there is no size {size!r}, only {', '.join(sizes)}")
    return sizes[size]


def main() -> None:
    """Write a checkpoint; see ``random_weights`` of :class:`chronotick.plugin.ModelSpec`."""
    place, directory, size = sys.argv[1:]
    module, _, name = place.partition(":")
    path = Path(directory)
    path.mkdir(parents=True, exist_ok=True)
    getattr(import_module(module), name)(path, size)


if __name__ == "__main__":
    main()
