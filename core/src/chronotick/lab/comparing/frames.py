"""The rows of many jobs as frames: in parts, so that memory does not grow, or all as one.

As one, a model at a time: reading, and the intervals of point models, take several times what rows
do. Text is kept once for all rows that have it, as categories.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from chronotick.lab.comparing.rows import SCHEMA
from chronotick.lab.comparing.store import FAILED, ROWS, read_rows
from chronotick.lab.scoring.columns import QUANTILE_COLUMNS
from chronotick.lab.scoring.residuals import Intervals, intervals_of_points

FROM = "quantiles_from"
TEXTS = (*(field.name for field in SCHEMA if pa.types.is_string(field.type)), FROM)

PART = 2**12  # rows, or a few more; of fewer, most of the time would go into reading


def parts_of(
    tables: Iterable[tuple[str, pa.Table]], columns: Sequence[str] | None = None
) -> Iterator[pd.DataFrame]:
    """Put the rows of jobs into frames of some size, none of them of two models.

    Args:
        tables: model and rows of each job; a model's follow each other, those on a trace by time.
        columns: which are wanted; ``None``: all, as in :func:`frame_of`.
    """
    fills = _fills(columns)
    for _model, of_model in groupby(tables, key=itemgetter(0)):
        intervals = Intervals()
        for rows in _joined(table for _model, table in of_model):
            part = intervals.filled(rows) if fills else rows
            yield part if columns is None else part[list(columns)]


def table_of(
    directory: Path, model: str, job: str, columns: Sequence[str] | None = None
) -> pa.Table:
    """Read what :func:`parts_of` needs of a job.

    Args:
        directory: of the results.
        model: of the job.
        job: its hash.
        columns: as for :func:`parts_of`.

    Raises:
        ResultsError: the file is damaged; delete it, and the next run computes it again.
    """
    path = _path(directory, model, job)
    try:
        return pq.ParquetFile(path).read(None if _fills(columns) else columns, use_threads=False)
    except (OSError, pa.ArrowException):
        return read_rows(path)  # or whose fault it is


def trace_of(directory: Path, model: str, job: str) -> str:
    """Return the trace of a job; nothing if it has no rows."""
    table = table_of(directory, model, job, ["trace"])
    return str(table["trace"][0]) if len(table) else ""


def _path(directory: Path, model: str, job: str) -> Path:
    path = directory / ROWS / model / f"{job}.parquet"
    return path if path.is_file() else path.with_name(job + FAILED)


def _fills(columns: Sequence[str] | None) -> bool:
    return columns is None or not {FROM, *QUANTILE_COLUMNS}.isdisjoint(columns)


def _joined(tables: Iterable[pa.Table]) -> Iterator[pd.DataFrame]:
    held: list[pa.Table] = []
    for table in tables:
        held.append(table)
        if sum(map(len, held)) >= PART:
            yield _frame(held)
    if sum(map(len, held)):
        yield _frame(held)


def _frame(tables: list[pa.Table]) -> pd.DataFrame:
    """Put tables together, and let go of them."""
    table = pa.concat_tables(tables)
    tables.clear()
    frame = table.to_pandas(strings_to_categorical=True, split_blocks=True, self_destruct=True)
    del table
    pa.default_memory_pool().release_unused()
    return frame


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
