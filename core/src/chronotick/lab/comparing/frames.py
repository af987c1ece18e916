"""The rows of many jobs as one frame, in little more memory than the frame itself takes.

A model at a time: reading, and the intervals of point models, take several times what rows do. Text
is kept once for all rows that have it, as categories.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from chronotick.lab.comparing.rows import SCHEMA
from chronotick.lab.scoring import intervals_of_points

FROM = "quantiles_from"
TEXTS = (*(field.name for field in SCHEMA if pa.types.is_string(field.type)), FROM)


def frame_of(models: Iterable[pa.Table]) -> pd.DataFrame:
    """Put the rows of models together, point models with intervals of their own errors.

    Args:
        models: all rows of each model; used up.

    Returns:
        Columns of :data:`SCHEMA` and ``quantiles_from``, text as categories in their order.
    """
    gathered = _Gathered()
    for table in models:
        rows = table.to_pandas(strings_to_categorical=True, split_blocks=True, self_destruct=True)
        if len(rows):
            gathered.add(intervals_of_points(rows))
        del rows, table  # before the next one is read
        pa.default_memory_pool().release_unused()
    return gathered.frame()


class _Gathered:
    """Columns in parts, text as numbers."""

    def __init__(self) -> None:
        self._parts: dict[str, list[NDArray[Any]]] = defaultdict(list)
        self._known: dict[str, dict[str, int]] = {name: {} for name in TEXTS}

    def add(self, rows: pd.DataFrame) -> None:
        for name in (*SCHEMA.names, FROM):
            part = self._numbered(rows[name]) if name in TEXTS else rows[name].to_numpy(copy=True)
            self._parts[name].append(part)

    def _numbered(self, texts: pd.Series) -> NDArray[np.int32]:
        known, array = self._known[texts.name], texts.astype("category").array
        numbers = [known.setdefault(each, len(known)) for each in array.categories]
        found: NDArray[np.int32] = np.array(numbers, dtype=np.int32)[array.codes]
        return found

    def frame(self) -> pd.DataFrame:
        """All of it. Parts are let go of column by column."""
        if not self._parts:
            return SCHEMA.empty_table().to_pandas()
        columns = {name: self._whole(name) for name in (*SCHEMA.names, FROM)}
        return pd.DataFrame(columns, copy=False)

    def _whole(self, name: str) -> NDArray[Any] | pd.Categorical:
        column = np.concatenate(self._parts.pop(name))
        if name not in TEXTS:
            return column
        known = self._known[name]
        order = sorted(known)
        place = {each: number for number, each in enumerate(order)}
        codes = np.array([place[each] for each in known])[column]
        return pd.Categorical.from_codes(codes, pd.Index(order, dtype="str"))
