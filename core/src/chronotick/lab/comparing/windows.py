"""Windows: what models are given, and what they are judged by. On disk, as arrays.

A window is a context that ends at an origin. Contexts are the residuals that the daemon would have
made at that instant; everything else is a table with a row per window.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chronotick.plugin.anchoring import REACH
from chronotick.plugin.contract import ContextBatch

if TYPE_CHECKING:
    from typing_extensions import Self  # in typing from Python 3.11

INDEX = "windows.json"
ARRAYS = "arrays"
BLOCK = 128  # windows that are written at once
CONTEXTS = ("values", "noise")
PER_WINDOW = {
    "origin_s": (),
    "context": (),
    "last": (),
    "trend": (6,),
    "expected": (REACH,),
    "expected_sigma": (REACH,),
}
PER_HORIZON = ("mean", "sigma", "low", "high", "measured", "truth", "scale")
"""Columns of the table, and the shape of a row of the first. ``trend``: offset in s at the origin,
frequency, and the estimator's covariances; these and ``expected`` are as in :class:`ContextBatch`.
``mean`` and ``sigma``: what the estimator expects at each horizon; ``low`` and ``high``: hard
limits. All in s of the recording's offsets, NaN where there is none."""

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Windows:
    """Windows of one trace and grid.

    Attributes:
        step_s: of contexts.
        values, noise: ``[windows, context]`` residuals in s, and their standard uncertainty.
        table: columns, ``[windows, ...]`` each.
    """

    step_s: float
    values: NDArray[np.float32]
    noise: NDArray[np.float32]
    table: dict[str, Vector]

    def __len__(self) -> int:
        return len(self.values)

    @property
    def judged(self) -> NDArray[np.bool_]:
        """``[windows, horizons]``: where there is something to judge a forecast by."""
        measured, truth = (np.isfinite(self.table[name]) for name in ("measured", "truth"))
        return np.asarray(measured | truth)

    def part(self, start: int, stop: int) -> Self:
        """Windows ``start`` to ``stop``, without the latter."""
        return type(self)(
            step_s=self.step_s,
            values=self.values[start:stop],
            noise=self.noise[start:stop],
            table={name: column[start:stop] for name, column in self.table.items()},
        )

    def chosen(self, places: NDArray[np.intp], length: int) -> ContextBatch:
        """The batch that a model is asked with: the newest ``length`` samples of some windows."""
        return ContextBatch(
            values=self.values[places, -length:].astype(np.float64),
            noise=self.noise[places, -length:].astype(np.float64),
            step_s=self.step_s,
            trend_covariance=np.ascontiguousarray(self.table["trend"][places, 2:]),
            expected=self.table["expected"][places],
            expected_sigma=self.table["expected_sigma"][places],
        )

    @classmethod
    def opened(cls, directory: Path, step_s: float) -> Self:
        """Map what was written; contexts stay on disk until they are asked for.

        Raises:
            OSError: it is not there, or damaged.
        """
        names = (*CONTEXTS, *PER_WINDOW, *PER_HORIZON)
        try:
            mapped = {
                name: np.load(directory / ARRAYS / f"{name}.npy", mmap_mode="r") for name in names
            }
        except (ValueError, EOFError) as error:
            raise OSError(
                f"{directory}: its windows are damaged ({error}). Delete that directory; the next "
                "run makes them anew"
            ) from None
        values, noise = mapped.pop("values"), mapped.pop("noise")
        return cls(step_s=step_s, values=values, noise=noise, table=mapped)


class WindowWriter:
    """Writes windows in blocks, so that memory does not grow with their number.

    Not through a memory map: on a full disk that would end the process (SIGBUS).

    Args:
        directory: where; made.
        count: how many windows there may be.
        context: samples in each.
        horizons: how many.
    """

    def __init__(self, directory: Path, count: int, context: int, horizons: int) -> None:
        directory.mkdir(parents=True)
        self._directory = directory
        self._count, self._written = count, 0
        shapes = PER_WINDOW | dict.fromkeys(PER_HORIZON, (horizons,))
        contexts = {name: np.full((BLOCK, context), np.nan, np.float32) for name in CONTEXTS}
        table = {name: np.full((BLOCK, *shape), np.nan) for name, shape in shapes.items()}
        self._block: dict[str, NDArray[Any]] = contexts | table
        for name, block in self._block.items():
            self._begin(name, block)

    def write(self, number: int, columns: Mapping[str, ArrayLike]) -> None:
        """Write a window, after those of smaller numbers.

        Args:
            number: of the window; those passed over hold NaN.
            columns: ``values``, ``noise`` and those of the table; the others hold NaN.
        """
        while number >= self._written + BLOCK:
            self._flush(BLOCK)
        for name, value in columns.items():
            self._block[name][number - self._written] = value

    def close(self) -> None:
        """Write what is left."""
        while self._written < self._count:
            self._flush(min(BLOCK, self._count - self._written))

    def column(self, name: str, values: Vector) -> None:
        """Write a column of all windows at once, when the writer is closed."""
        np.save(self._directory / f"{name}.npy", values)

    def _begin(self, name: str, block: NDArray[Any]) -> None:
        about = {
            "descr": np.lib.format.dtype_to_descr(block.dtype),
            "fortran_order": False,
            "shape": (self._count, *block.shape[1:]),
        }
        with (self._directory / f"{name}.npy").open("wb") as file:
            np.lib.format.write_array_header_1_0(file, about)

    def _flush(self, count: int) -> None:
        for name, block in self._block.items():
            with (self._directory / f"{name}.npy").open("ab") as file:
                file.write(block[:count].tobytes())
            block[:] = np.nan
        self._written += count


def write_index(directory: Path, index: dict[str, Any]) -> None:
    """Say what a directory holds."""
    (directory / INDEX).write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")


def read_index(directory: Path) -> dict[str, Any] | None:
    """What a directory holds; ``None`` where it is not there or not complete."""
    try:
        found = json.loads((directory / INDEX).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


class Draft:
    """A directory that gets its name when it is complete; to be used in a ``with`` statement.

    Args:
        directory: the name it gets. What has it already is replaced.
    """

    def __init__(self, directory: Path) -> None:
        self._final = directory
        directory.parent.mkdir(parents=True, exist_ok=True)
        self.path = directory.parent / f".{directory.name}-{secrets.token_hex(4)}"
        self.path.mkdir()

    def __enter__(self) -> Path:
        return self.path

    def __exit__(self, kind: type[BaseException] | None, *_rest: object) -> None:
        try:
            if kind is None and read_index(self._final) is None:
                self._move()
        finally:
            shutil.rmtree(self.path, ignore_errors=True)

    def _move(self) -> None:
        shutil.rmtree(self._final, ignore_errors=True)
        try:
            os.replace(self.path, self._final)  # noqa: PTH105 - Path.replace is for files
        except OSError:
            if read_index(self._final) is None:
                raise  # else another process was faster
