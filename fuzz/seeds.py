"""Writes the corpus: ``python -m fuzz.seeds``. What a target wants for seeds, it says itself."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from fuzz.targets import CORPUS, TARGETS


def main() -> None:
    """Write the seeds of every target; what the fuzzer has added stays."""
    for name in TARGETS:
        folder = CORPUS / name
        folder.mkdir(parents=True, exist_ok=True)
        for seed, data in importlib.import_module(f"fuzz.{name}").seeds().items():
            (folder / seed).write_bytes(data)
        sys.stdout.write(f"{name}: {_size(folder)} bytes\n")


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir())


if __name__ == "__main__":
    main()
