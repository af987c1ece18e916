"""What accuracy is measured on: recorded worlds where they are, and fresh ones made from seeds."""

from __future__ import annotations

import csv
import gzip
import math
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chronotick.lab import Simulation, write
from chronotick.lab.recordings import Recording, read_recording
from chronotick.lab.simulation import DAY_S

Vector = NDArray[np.float64]

REPOSITORY = Path(__file__).parents[2]
WARM_UP_S = 3600.0
FALSE = "false"


def traces() -> Path:
    """Folder of the recorded worlds and traces."""
    return Path(os.environ.get("CHRONOTICK_TRACES", REPOSITORY / ".." / "shared" / "traces"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What was true, every 10 s, and what chrony made of the same measurements where it is known.

    Attributes:
        time_s: local time.
        offset_s: true time - local clock.
        chrony_s: chrony's estimate of it; NaN where there is none.
        disciplined_s: error of a clock that chrony steers; NaN where there is none.
    """

    time_s: Vector
    offset_s: Vector
    chrony_s: Vector
    disciplined_s: Vector

    @property
    def counts(self) -> NDArray[np.bool_]:
        """Which instants errors count at: all after the warm-up."""
        late: NDArray[np.bool_] = self.time_s - self.time_s[0] >= WARM_UP_S
        return late


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """One world: a recording and its truth."""

    name: str
    recording: Recording
    truth: Truth

    @property
    def network(self) -> str:
        """``dc``, ``wan``, ``wans`` or ``wifi``; ``falseticker`` where a server lies."""
        return "falseticker" if FALSE in self.name else self.name.partition("_")[0]

    @property
    def asymmetric(self) -> bool:
        """Whether its routes have a constant asymmetry, which no client can observe."""
        return self.name.startswith("wan_")


def recorded_names() -> list[str]:
    """Names of the recorded worlds; empty where they are absent."""
    folder = traces() / "sim"
    return sorted(each.name for each in folder.iterdir()) if folder.is_dir() else []


def recorded(name: str) -> World:
    """Read a recorded world."""
    return _read(name, traces() / "sim" / name)


def fresh(name: str, seed: int, duration_s: float = DAY_S) -> World:
    """Make another world of the same kind as a recorded one."""
    simulation = Simulation.named(name, seed=seed).model_copy(update={"duration_s": duration_s})
    with tempfile.TemporaryDirectory(prefix="chronotick-worlds-") as folder:
        directory = Path(folder)
        write(simulation, directory)
        return _read(name, directory)


def _read(name: str, folder: Path) -> World:
    return World(
        name=name,
        recording=read_recording(str(folder / "measurements.csv.gz")),
        truth=_read_truth(folder / "truth.csv.gz"),
    )


def _read_truth(path: Path) -> Truth:
    rows = list(_rows(path))
    return Truth(
        time_s=_column(rows, "t_local_s"),
        offset_s=_column(rows, "offset_s"),
        chrony_s=_column(rows, "chrony_offset_s"),
        disciplined_s=_column(rows, "chrony_disciplined_error_s"),
    )


def _column(rows: list[dict[str, str]], name: str) -> Vector:
    return np.array([float(row.get(name) or math.nan) for row in rows])


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt", newline="") as file:
        yield from csv.DictReader(file)
