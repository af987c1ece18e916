"""The C reader of the record: ``python -m fuzz.in_c [COUNT]`` builds its driver and runs it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

from fuzz.places import scratch

DRIVER = Path(__file__).with_name("record_reader.c")
COUNT = 1_000_000
_INCLUDE = DRIVER.parents[1] / "core" / "src" / "chronotick" / "shm"
_FLAGS = (
    *("-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O1", "-g", "-fno-sanitize-recover=all"),
    *("-fsanitize=address,undefined,float-cast-overflow", f"-I{_INCLUDE}"),
)


def compiler() -> str | None:
    """Return a C compiler, if there is one."""
    return shutil.which("cc") or shutil.which("gcc")


def build(command: str) -> Path:
    """Build the driver.

    Raises:
        subprocess.CalledProcessError: it cannot be built.
    """
    program = scratch() / "record_reader"
    subprocess.run([command, *_FLAGS, str(DRIVER), "-o", str(program)], check=True)
    return program


def main() -> int:
    """Build and run it with another seed each time; the exit status is that of the driver."""
    command = compiler()
    if command is None:
        sys.stderr.write("in_c: no C compiler here, left out\n")
        return 0
    count = sys.argv[1] if len(sys.argv) > 1 else str(COUNT)
    return subprocess.run([build(command), count, str(time.time_ns())], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
