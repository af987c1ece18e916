"""What this machine has for models to compute with."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_GROUPS: Final = Path("/sys/fs/cgroup")
_OUR_GROUP: Final = Path("/proc/self/cgroup")
_MIB: Final = 2**20
_KIB: Final = 2**10
_QUERY: Final = ("--query-gpu=memory.free", "--format=csv,noheader,nounits")
_QUERY_TIMEOUT_S: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What may be used here.

    Attributes:
        cores: CPUs this process may run on, or what its control group allows if that is less.
        memory_mb: memory that is available now, in MiB.
        gpus: memory of each NVIDIA GPU that is free now, in MiB; ``None`` where it is not told.
    """

    cores: float
    memory_mb: float
    gpus: tuple[float | None, ...] = ()

    def __str__(self) -> str:
        graphics = f"{len(self.gpus)} GPU" if self.gpus else "no GPU"
        return f"{self.cores:g} cores, {self.memory_mb / 1024:.1f} GiB of memory free, {graphics}"


def this_machine() -> Machine:
    """Look at the machine, and at the limits of the control groups we run in."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return Machine(
        cores=min(float(affinity or 1), *map(cpu_limit, control_groups())),
        memory_mb=available_mb(),
        gpus=_gpus(),
    )


def control_groups(root: Path = _GROUPS, ours: Path = _OUR_GROUP) -> list[Path]:
    """Return the control group we run in and all that contain it: each may limit us (cgroups(7)).

    Args:
        root: where the tree is mounted (cgroup v2). The root of a host has no limits; that of a
            container is its own group.
        ours: says where in it this process is.
    """
    with suppress(OSError, StopIteration):
        lines = ours.read_text(encoding="utf-8").splitlines()
        path = next(line for line in lines if line.startswith("0::")).removeprefix("0::/")
        group = root / path
        if ".." not in group.parts:  # else it lies outside of what is mounted here
            return [group, *(parent for parent in group.parents if parent.is_relative_to(root))]
    return [root]


def cpu_limit(group: Path) -> float:
    """Return how many CPUs a control group may use (cgroup v2, ``cpu.max``); inf: no limit."""
    with suppress(OSError, ValueError):
        quota, period = (group / "cpu.max").read_text(encoding="ascii").split()
        return float(quota) / float(period)  # ValueError: "max"
    return float("inf")


def memory_limit_mb(group: Path) -> float:
    """Return what a control group may still take (cgroup v2) in MiB; inf: no limit."""
    with suppress(OSError, ValueError):
        limit, used = (
            int((group / name).read_text(encoding="ascii"))  # ValueError: "max"
            for name in ("memory.max", "memory.current")
        )
        return max(0.0, (limit - used) / _MIB)
    return float("inf")


def available_mb() -> float:
    """Return the memory that may be taken now, in MiB."""
    return min(_free_mb(), *map(memory_limit_mb, control_groups()))


def _free_mb() -> float:
    with suppress(OSError, StopIteration):
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        line = next(line for line in lines if line.startswith("MemAvailable:"))
        return int(line.split()[1]) / _KIB
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / _MIB


def _gpus() -> tuple[float | None, ...]:
    found = [path for path in Path("/proc/driver/nvidia/gpus").glob("*") if path.is_dir()]
    program = shutil.which("nvidia-smi")
    if not found or program is None:
        return tuple(None for _ in found)
    try:
        done = subprocess.run(
            [program, *_QUERY],
            capture_output=True,
            text=True,
            check=True,
            timeout=_QUERY_TIMEOUT_S,
        )
        return tuple(float(line) for line in done.stdout.splitlines())
    except (OSError, ValueError, subprocess.SubprocessError):
        return tuple(None for _ in found)
