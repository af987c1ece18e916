"""The committed corpus, without atheris: ``python -m fuzz.replaying [TARGET ...]``."""

from __future__ import annotations

import importlib
import sys
import traceback
from pathlib import Path

from fuzz.targets import CORPUS, TARGETS


def main() -> int:
    """Feed each target its corpus; the exit status is 1 if one of them finds something."""
    found = [name for name in sys.argv[1:] or TARGETS if not _passes(name)]
    return 1 if found else 0


def _passes(name: str) -> bool:
    target = importlib.import_module(f"fuzz.{name}")
    inputs = sorted((CORPUS / name).iterdir())
    failed = [file for file in inputs if not _fed(target.TestOneInput, file)]
    sys.stdout.write(f"{name} {len(inputs)} {len(failed)}\n")
    return bool(inputs) and not failed


def _fed(function: object, file: Path) -> bool:
    assert callable(function)  # noqa: S101 - for the type checker
    try:
        function(file.read_bytes())
    except Exception:  # noqa: BLE001 - whatever it is, it is a finding
        sys.stderr.write(f"{file}\n{traceback.format_exc()}\n")
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
