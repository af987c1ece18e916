"""``python -m chronotick``: the command line."""

from __future__ import annotations

from chronotick.cli.main import main

if __name__ == "__main__":
    main()
