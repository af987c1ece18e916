"""Which files make up weights, and whether all of them are there."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

CONFIG: Final = "config.json"

TENSORS: Final = ("model.safetensors", "model.safetensors.index.json")
"""Files that hold weights, or name those that do; one of them must be there."""

_WANTED: Final = ("*.json", "*.safetensors", "README.md", "LICENSE*", "LICENCE*", "NOTICE*")
_PICKLES: Final = ("*.bin", "*.ckpt", "*.pickle", "*.pkl", "*.pt", "*.pth")


def wanted(name: str) -> bool:
    """Tell whether a file of a repository is needed: tensors, settings, licence and readme.

    Files in folders of a repository belong to other frameworks, examples or training. What is not
    printable is no file's name.
    """
    return (
        "/" not in name
        and name.isprintable()
        and any(fnmatch(name, pattern) for pattern in _WANTED)
    )


def pickles(names: Iterable[str]) -> list[str]:
    """Return the names of files that would run code when they are loaded."""
    return [name for name in names if any(fnmatch(name, pattern) for pattern in _PICKLES)]


def lacking(directory: Path, needed: Sequence[str] = (CONFIG,)) -> list[str]:
    """Return what a directory lacks of being weights: names of files, empty when it is complete.

    Args:
        directory: of the weights.
        needed: files that must be there besides the tensors.
    """
    names = [name for name in needed if not (directory / name).is_file()]
    if (directory / TENSORS[0]).is_file():
        return names
    if not (directory / TENSORS[1]).is_file():
        return [*names, TENSORS[0]]
    shards = _shards(directory / TENSORS[1])
    return names + [name for name in shards if not (directory / name).is_file()]


def tensor_files(directory: Path) -> list[Path]:
    """Return the files that hold the tensors of a complete directory of weights."""
    if (directory / TENSORS[0]).is_file():
        return [directory / TENSORS[0]]
    return [directory / name for name in _shards(directory / TENSORS[1])]


def size_bytes(directory: Path) -> int:
    """Return the size of the files in a directory of weights."""
    return sum(path.stat().st_size for path in directory.iterdir() if path.is_file())


def _shards(index: Path) -> list[str]:
    """Files that an index of sharded weights names: in its own directory, or it is no index."""
    names: list[str] = []
    with suppress(ValueError, KeyError, AttributeError, TypeError, RecursionError):
        found = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        names = found if all(map(wanted, found)) else []
    return names or [f"a readable {index.name}"]
