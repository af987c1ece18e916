"""System clocks that can be moved, for single processes: see ``tests/stepped_clock.c``."""

from __future__ import annotations

import mmap
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from chronotick.shm.clocks import raw_ns

_BYTES: Final = 40
"""``struct page``: words of 64 bits, in this order."""
_STEP_NS: Final = 0
_SLEW_PPB: Final = 1
_SLEW_FROM_NS: Final = 2
_SLEW_UNTIL_NS: Final = 3
_SLEPT_NS: Final = 4


def build(source: Path, directory: Path, flags: Sequence[str] = ("-O2",)) -> Path:
    """Compile the library that is preloaded.

    Raises:
        OSError: there is no compiler.
        subprocess.CalledProcessError: the library does not compile.
    """
    compiler, library = shutil.which("cc") or "cc", directory / "stepped_clock.so"
    line = [compiler, "-shared", "-fPIC", *flags, "-o", str(library), str(source), "-ldl"]
    subprocess.run(line, check=True)
    return library


class SteppedClock:
    """The clocks of programs that were started with :attr:`environ`.

    Args:
        library: of :func:`build`.
        page: a new file, for what it reads; beside it comes a FIFO.
    """

    def __init__(self, library: Path, page: Path) -> None:
        self.environ = {"LD_PRELOAD": str(library), "STEPPED_CLOCK": str(page)}
        page.write_bytes(bytes(_BYTES))
        with page.open("r+b") as file:
            self._words = memoryview(mmap.mmap(file.fileno(), _BYTES)).cast("q")
        told = page.with_name(f"{page.name}.set")
        os.mkfifo(told)
        self._telling = os.open(told, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

    @property
    def ahead_ns(self) -> int:
        """How far steps and sleeps have brought CLOCK_REALTIME ahead of the real one."""
        return self._words[_STEP_NS]

    def step(self, by_ns: int) -> None:
        """Set the system clock; nobody is told."""
        self._words[_STEP_NS] += by_ns

    def tell(self) -> None:
        """Tell the timer that asked for it that the system clock was set, as the kernel does."""
        os.write(self._telling, b"!")

    def slew(self, rate: float, for_s: float) -> None:
        """Let the system clock run faster for a while, from now on."""
        now_ns = raw_ns()
        self._words[_SLEW_FROM_NS] = now_ns
        self._words[_SLEW_UNTIL_NS] = now_ns + int(for_s * 1e9)
        self._words[_SLEW_PPB] = round(rate * 1e9)

    def sleep(self, for_ns: int) -> None:
        """Let the host have slept: CLOCK_REALTIME and CLOCK_BOOTTIME went on."""
        self._words[_STEP_NS] += for_ns
        self._words[_SLEPT_NS] += for_ns

    def close(self) -> None:
        """Nobody can be told any more."""
        os.close(self._telling)
