"""Runs a module of ours in a model's environment, as ``python -m`` does, or a script.

``env/bin/python -I inside.py PATH... -- MODULE|SCRIPT.py [ARGUMENT...]``

The environment holds packages only. Our code and the plugin's are brought by the paths, which
come first: should a lock name ChronoTick too, the worker still runs the daemon's version.
Isolated mode (``-I``) takes no paths from variables, and must not: those are other people's.
"""

from __future__ import annotations

import runpy
import sys


def main() -> None:
    """Put the paths first and hand over to the module or script."""
    end = sys.argv.index("--")
    sys.path[:0] = sys.argv[1:end]
    sys.argv = sys.argv[end + 1 :]
    if sys.argv[0].endswith(".py"):
        runpy.run_path(sys.argv[0], run_name="__main__")
    else:
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
