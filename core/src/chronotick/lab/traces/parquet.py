"""Parquet: cells as exact text, so that equal values are read equally from every format."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from chronotick.lab.recordings.decimals import exact_seconds
from chronotick.lab.recordings.errors import RecordingError
from chronotick.lab.traces.sheet import Cells, Sheet

MAGIC = b"PAR1"
ENDINGS = (".parquet", ".pq")
ROWS_AT_ONCE = 8192


@contextmanager
def _told(path: str) -> Iterator[None]:
    """What the library says of a file, as ours.

    It raises ValueError, NotImplementedError, KeyError and OSError, also by other names.
    """
    try:
        yield
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        said = " ".join(str(error).split())[:200].rstrip(".")
        raise RecordingError(path, f"cannot be read as Parquet ({said})") from error


class ParquetTable:
    """A Parquet file that is in memory.

    Args:
        path: where it was read.
        data: its bytes.

    Raises:
        RecordingError: it is damaged, or two of its columns have one name.
    """

    def __init__(self, path: str, data: bytes) -> None:
        self._path = path
        with _told(path):
            self._file: Any = pq.ParquetFile(pa.BufferReader(data))
            self._schema: Any = self._file.schema_arrow
        self.names: tuple[str, ...] = tuple(self._schema.names)
        doubled = next((name for name in self.names if self.names.count(name) > 1), "")
        if doubled:
            raise RecordingError(path, "there are two columns of that name", column=doubled)

    @property
    def lists(self) -> frozenset[str]:
        """Columns whose cells are lists."""
        return frozenset(field.name for field in self._schema if _is_list(field.type))

    def sheet(self) -> Sheet:
        """Return its rows, counted from 1."""
        return Sheet(self._path, "row", 0, self.names, self._rows)

    def records(self, columns: Collection[str]) -> Iterator[tuple[int, dict[str, str | list[str]]]]:
        """Yield number and cells of each row: text, or lists of it."""
        number = 0
        for batch in self._batches(columns, rows=64):
            names = batch.schema.names
            with _told(self._path):
                read = [_cells(column) for column in batch.columns]
            for cells in zip(*read, strict=True):
                number += 1
                yield number, dict(zip(names, cells, strict=True))

    def _rows(self, columns: Collection[str]) -> Iterator[Cells]:
        number = 0
        for batch in self._batches(columns, ROWS_AT_ONCE):
            texts = {name: self._text(batch, name) for name in batch.schema.names}
            nothing = [""] * batch.num_rows
            for cells in zip(*(texts.get(name, nothing) for name in self.names), strict=True):
                number += 1
                yield number, list(cells)

    def _text(self, batch: Any, name: str) -> list[str]:  # noqa: ANN401 - pyarrow has no types
        with _told(self._path):
            return _texts(batch.column(name))

    def _batches(self, columns: Collection[str], rows: int) -> Iterator[Any]:
        read = [name for name in self.names if name in columns]
        with _told(self._path):
            batches = self._file.iter_batches(batch_size=rows, columns=read)
        while True:
            with _told(self._path):
                batch = next(batches, None)
            if batch is None:
                return
            yield batch


def _is_list(kind: Any) -> bool:  # noqa: ANN401 - pyarrow has no types
    is_any: tuple[Callable[[Any], bool], ...] = (
        pa.types.is_list,
        pa.types.is_large_list,
        pa.types.is_fixed_size_list,
    )
    return any(is_it(kind) for is_it in is_any)


def _cells(column: Any) -> list[str | list[str]]:  # noqa: ANN401 - pyarrow has no types
    if not _is_list(column.type):
        return [*_texts(column)]
    return [[] if values is None else _texts(values) for values in _values(column)]


def _values(column: Any) -> Iterator[Any]:  # noqa: ANN401 - pyarrow has no types
    for scalar in column:
        yield scalar.values


def _texts(array: Any) -> list[str]:  # noqa: ANN401 - pyarrow has no types
    """Numbers with all their digits, instants as seconds since 1970."""
    kind = array.type
    if pa.types.is_dictionary(kind):
        return _texts(array.dictionary_decode())
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        ticks = array.cast(pa.timestamp("ns")).cast(pa.int64()).to_pylist()
        return ["" if tick is None else exact_seconds(tick) for tick in ticks]
    if pa.types.is_floating(kind):
        return ["" if value is None else repr(value) for value in array.to_pylist()]
    return ["" if value is None else str(value).strip() for value in array.to_pylist()]
