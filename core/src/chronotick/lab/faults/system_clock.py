"""A CLOCK_REALTIME that can be moved, for the daemon alone: see ``tests/stepped_clock.c``."""

from __future__ import annotations

import mmap
import shutil
import subprocess
from pathlib import Path
from typing import Final

_NS_PER_S: Final = 1_000_000_000
_BYTES: Final = 40  # struct page
_STEP: Final = 0  # step_ns


class SystemClock:
    """Moves what preloaded programs see of the system clock.

    Args:
        source: of the library to preload.
        directory: where library and page go.

    Raises:
        OSError: there is no compiler.
        subprocess.CalledProcessError: the library does not compile.
    """

    def __init__(self, source: Path, directory: Path) -> None:
        library, page = directory / "stepped_clock.so", directory / "clock_page"
        compiler = shutil.which("cc") or "cc"
        subprocess.run(
            [compiler, "-shared", "-fPIC", "-O2", "-o", library, source, "-ldl"], check=True
        )
        page.write_bytes(bytes(_BYTES))
        with page.open("r+b") as file:
            self._words = memoryview(mmap.mmap(file.fileno(), _BYTES)).cast("q")
        self.environ = {"LD_PRELOAD": str(library), "STEPPED_CLOCK": str(page)}

    @property
    def ahead_s(self) -> float:
        """How far it is ahead of the real one."""
        return self._words[_STEP] / _NS_PER_S

    def step(self, by_s: float) -> None:
        """Set it forward, or back."""
        self._words[_STEP] += round(by_s * _NS_PER_S)
