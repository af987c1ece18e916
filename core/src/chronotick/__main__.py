"""``python -m chronotick``: the command line."""

from __future__ import annotations

import sys

try:
    from chronotick.cli.main import main
except ModuleNotFoundError as error:
    if (error.name or "").startswith("chronotick"):
        raise
    sys.exit(
        f"chronotick: the command line needs {error.name}, which is not installed; "
        "install chronotick[daemon]"
    )

if __name__ == "__main__":
    main()
