"""Columns of the rows that are scored: their names, and what of them can be used."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from chronotick.lab.scoring.errors import ScoringError

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Codes = NDArray[np.int64]

DECILES: Final = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
QUANTILES: Final = (0.025, *DECILES, 0.975)
"""Levels that models are asked for: fev's deciles, and the ends of the 95 % interval."""
TAILS: Final = ("q0.025", "q0.975")
QUANTILE_COLUMNS: Final = tuple(f"q{level}" for level in QUANTILES)
DECILE_COLUMNS: Final = tuple(f"q{level}" for level in DECILES)
TASK: Final = ("trace", "horizon_s")
SERIES: Final = ("model", *TASK)
NAMES: Final = ("model", "trace", "host", "kind", "unit")
IDENTITY: Final = (*NAMES, "horizon_s")
OK: Final = "ok"


def check_columns(frame: pd.DataFrame, columns: Collection[str], what: str) -> None:
    """Refuse a frame that has no rows, lacks columns, or does not say what a row is about.

    Raises:
        ScoringError: see above.
    """
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise ScoringError(f"the {what} lack the columns {', '.join(missing)}")
    if frame.empty:
        raise no_rows(what)
    for name in (*IDENTITY, "origin_s"):
        if name in columns and (unknown := int(frame[name].isna().sum())):
            raise ScoringError(f"{unknown} of {len(frame)} {what} have no {name}")


def no_rows(what: str = "rows") -> ScoringError:
    """Return the error that there are none."""
    return ScoringError(f"there are no {what}: nothing was computed, or a filter left nothing")


def floats(frame: pd.DataFrame, name: str) -> Floats:
    """Return a column as float64, NaN where it has nothing."""
    return np.asarray(frame[name].to_numpy(dtype=np.float64, na_value=np.nan))


def quantiles(rows: pd.DataFrame, names: Sequence[str]) -> Floats:
    """Return quantile columns, shape ``[rows, names]``, NaN where there is nothing finite."""
    values = np.empty((len(rows), len(names)))
    for index, name in enumerate(names):
        values[:, index] = floats(rows, name)
    values[~np.isfinite(values)] = np.nan
    return values


def has_forecast(rows: pd.DataFrame) -> Flags:
    """Whether each row holds a forecast: its status is "ok" and its number finite."""
    said = (rows["status"] == OK).to_numpy(dtype=bool, na_value=False)
    return np.asarray(said & np.isfinite(floats(rows, "forecast")))


def codes(rows: pd.DataFrame, keys: Sequence[str], *, ordered: bool = False) -> Codes:
    """Number the groups of rows with equal keys from 0; in order of their keys if ``ordered``."""
    grouped: Any = rows.groupby(list(keys), sort=ordered, observed=True, dropna=False)
    return np.asarray(grouped.ngroup().to_numpy(dtype=np.int64))


def check_once(rows: pd.DataFrame, series: Codes) -> None:
    """Refuse rows that hold a window of a model twice.

    Raises:
        ScoringError: they do.
    """
    again = pd.DataFrame({"series": series, "origin_s": floats(rows, "origin_s")}).duplicated()
    if again.any():
        first = rows.iloc[int(np.argmax(again.to_numpy()))]
        raise ScoringError(
            f"{int(again.sum())} rows hold a window again, the first: model {first['model']}, "
            f"trace {first['trace']}, horizon {first['horizon_s']:g} s, origin "
            f"{first['origin_s']!r} s. Rows of runs with different settings are scored apart"
        )
