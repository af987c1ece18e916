"""One target under atheris: ``python -m fuzz.running TARGET [libFuzzer's arguments]``."""

from __future__ import annotations

import importlib
import sys


def main() -> None:
    """Fuzz until a limit or a finding."""
    import atheris  # type: ignore[import-untyped] # lives in an environment of its own

    name = sys.argv.pop(1)
    with atheris.instrument_imports(include=["chronotick"]):
        target = importlib.import_module(f"fuzz.{name}")
    atheris.Setup(sys.argv, target.TestOneInput)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
