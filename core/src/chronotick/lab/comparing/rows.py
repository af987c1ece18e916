"""Rows of a comparison: one per window, model and horizon."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from chronotick.lab.comparing.grids import Grid
from chronotick.lab.comparing.windows import Windows
from chronotick.lab.scoring.columns import OK, QUANTILE_COLUMNS, QUANTILES

NOT_ENOUGH = "too few measurements in the context"

_TEXTS = ("job", "model", "trace", "host", "kind", "unit")
_NUMBERS = (
    "origin_s",
    "target_s",
    "last",
    "measured",
    "truth",
    "scale",
    "forecast",
    *QUANTILE_COLUMNS,
)
SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in _TEXTS),
        ("horizon_s", pa.float64()),
        ("step_s", pa.float64()),
        ("context", pa.int64()),
        *((name, pa.float64()) for name in _NUMBERS),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("latency_s", pa.float64()),
        ("alone_s", pa.float64()),
        ("status", pa.string()),
    ]
)

Vector = NDArray[np.float64]


@dataclass(slots=True, eq=False)
class Answers:
    """What a model answered for some windows, in s of the recording's offsets.

    Attributes:
        mean: ``[windows, horizons]``, NaN where there is none.
        quantiles: ``[windows, horizons, levels]``, NaN where there are none.
        latency_s: ``[windows]`` of the call, per window in it.
        alone_s: ``[windows]`` of the call where the window was asked alone, else NaN.
        status: of each window.
        passing: ``[windows]``: it failed for a reason that may be gone the next time.
        beyond: of each horizon: why no window has a forecast there; empty: some may.
    """

    mean: Vector
    quantiles: Vector
    latency_s: Vector
    alone_s: Vector
    status: list[str]
    passing: NDArray[np.bool_]
    beyond: list[str]

    @classmethod
    def none(cls, windows: int, horizons: int, status: str = OK) -> Answers:
        """Nothing answered yet."""
        return cls(
            mean=np.full((windows, horizons), np.nan),
            quantiles=np.full((windows, horizons, len(QUANTILES)), np.nan),
            latency_s=np.full(windows, np.nan),
            alone_s=np.full(windows, np.nan),
            status=[status] * windows,
            passing=np.zeros(windows, bool),
            beyond=[""] * horizons,
        )

    @property
    def failed(self) -> NDArray[np.bool_]:
        """``[windows]``: there is no answer, and it is said why."""
        return np.array([each != OK for each in self.status], bool)

    @property
    def settled(self) -> NDArray[np.bool_]:
        """``[windows]``: answered, or known to have no answer."""
        return np.isfinite(self.latency_s) | (self.failed & ~self.passing)

    def tell_the_rest(self, words: str) -> None:
        """Say why the windows have no answer that nothing else is said of."""
        for place in np.flatnonzero(~self.settled & ~self.passing):
            self.status[place] = words

    def told(self, window: int, horizon: int) -> str:
        """The status of a row."""
        if self.status[window] != OK or np.isfinite(self.mean[window, horizon]):
            return self.status[window]
        return self.beyond[horizon] or NOT_ENOUGH


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What all rows of a job have in common.

    Attributes:
        job: its hash.
        model: name.
        trace, host, kind, unit: of the trace.
        unit_per_s, zero: how offsets become values of the trace again.
    """

    job: str
    model: str
    trace: str
    host: str
    kind: str
    unit: str
    unit_per_s: float = 1.0
    zero: float = 0.0


def rows_of(label: Label, windows: Windows, grid: Grid, answers: Answers) -> pa.Table:
    """Make the rows of a job, window by window; those without a target to be judged by left out."""
    table, horizons_s = windows.table, grid.horizons_s
    number, place = np.nonzero(windows.judged)
    origin_s, horizon_s = table["origin_s"][number], np.array(horizons_s)[place]
    columns: dict[str, Sequence[str] | Vector | NDArray[np.int64]] = {
        name: [getattr(label, name)] * len(number) for name in _TEXTS
    }
    columns |= {
        "horizon_s": horizon_s,
        "step_s": np.full(len(number), windows.step_s),
        "context": np.nan_to_num(table["context"][number]).astype(np.int64),
        "origin_s": origin_s,
        "target_s": origin_s + horizon_s,
        "last": _unit(label, table["last"][number]),
        "scale": table["scale"][number, place] * label.unit_per_s,
        "forecast": _unit(label, answers.mean[number, place]),
        "latency_s": answers.latency_s[number],
        "alone_s": answers.alone_s[number],
        "status": list(map(answers.told, number.tolist(), place.tolist())),
    }
    for name in ("measured", "truth", "low", "high"):
        columns[name] = _unit(label, table[name][number, place])
    for level, name in enumerate(QUANTILE_COLUMNS):
        columns[name] = _unit(label, answers.quantiles[number, place, level])
    return pa.table({field.name: columns[field.name] for field in SCHEMA}, schema=SCHEMA)


def _unit(label: Label, values_s: Vector) -> Vector:
    return values_s * label.unit_per_s + label.zero
