"""How a worker stands with the kernel: who gets a CPU first, who is killed first for memory."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FIRST_TO_GO: Final = 1000  # oom_score_adj: proc(5); anybody may raise it, for itself and its own


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a worker is allowed, beside its memory limit.

    Attributes:
        niceness: nice value, 0 to 19; never below the daemon's own.
        cpus: CPUs it may run on; empty: those of the daemon.
    """

    niceness: int = 0
    cpus: tuple[int, ...] = ()


def stand_back(pid: int, standing: Standing) -> None:
    """Give a process that has just been started, and has one thread yet, its standing.

    Threads and processes it starts later inherit all of it. Where memory runs out the kernel takes
    this process before the daemon.

    Raises:
        OSError: a CPU does not exist, or may not be used here.
    """
    try:
        niceness = max(standing.niceness, os.getpriority(os.PRIO_PROCESS, pid))
        os.setpriority(os.PRIO_PROCESS, pid, niceness)
        Path(f"/proc/{pid}/oom_score_adj").write_text(f"{FIRST_TO_GO}\n", encoding="ascii")
    except (ProcessLookupError, FileNotFoundError):
        return  # it has ended already: whoever waits for it will hear
    if standing.cpus:
        _bind(pid, standing.cpus)


def _bind(pid: int, cpus: tuple[int, ...]) -> None:
    try:
        os.sched_setaffinity(pid, cpus)
    except ProcessLookupError:
        return
    except OSError as error:
        listing = ", ".join(map(str, cpus))
        raise OSError(
            f"it cannot be bound to CPU {listing} ({error.strerror}): correct cpu_affinity in "
            "workers or workers.overrides"
        ) from error
