"""Rows that come in parts: which of them belong together, and that none comes twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from chronotick.lab.scoring.columns import SERIES, Codes, Floats, check_once, codes, floats
from chronotick.lab.scoring.errors import ScoringError

Key = tuple[Any, ...]


def keys_of(rows: pd.DataFrame, group: Codes, names: Sequence[str]) -> list[Key]:
    """Return what the rows of each group have in these columns, by the groups' numbers."""
    _, first = np.unique(group, return_index=True)
    return list(rows[list(names)].iloc[first].itertuples(index=False, name=None))


def members_of(group: Codes) -> list[Codes]:
    """Return which rows are of each group, by the groups' numbers."""
    order = np.argsort(group, kind="stable")
    return np.split(order, np.cumsum(np.bincount(group))[:-1]) if len(group) else []


class Series:
    """The series of rows that come in parts: each window once, by origin from part to part.

    Within a part the order does not matter. A series that a part has nothing of has ended.
    """

    def __init__(self) -> None:
        self._newest_s: dict[Key, float] = {}
        self._ended: set[Key] = set()

    def follow(self, rows: pd.DataFrame) -> list[tuple[Key, Codes]]:
        """Return the series that a part has, and which of its rows are theirs.

        Raises:
            ScoringError: a window is there twice, or the rows of a series do not follow each other.
        """
        series = codes(rows, SERIES)
        check_once(rows, series)
        found = list(zip(keys_of(rows, series, SERIES), members_of(series), strict=True))
        origin_s = floats(rows, "origin_s")
        newest_s = {key: float(origin_s[members].max()) for key, members in found}
        for key, members in found:
            if key in self._ended or origin_s[members].min() <= self._newest_s.get(key, -np.inf):
                raise ScoringError(f"rows of {key} are scattered, or there twice")
        self._ended.update(self._newest_s.keys() - newest_s.keys())
        self._newest_s = newest_s
        return found


class Distinct:
    """Different numbers under each key, such as the origins of a task."""

    def __init__(self) -> None:
        self._known: dict[Key, Floats] = {}

    def add(self, key: Key, values: Floats) -> None:
        """Take note of some."""
        known = self._known.get(key)
        found = np.unique(values)
        if known is None:
            self._known[key] = found
        elif not np.isin(found, known, assume_unique=True).all():
            self._known[key] = np.union1d(known, found)

    def __len__(self) -> int:
        return len(self._known)

    def __iter__(self) -> Iterator[Key]:
        return iter(self._known)

    def values(self, key: Key) -> Floats:
        """Return those known, in ascending order."""
        return self._known[key]

    def count(self, key: Key) -> int:
        """How many are known."""
        return len(self._known[key])
