"""What the columns of a table are, told by their names."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from chronotick.lab.recordings.errors import CellError
from chronotick.lab.recordings.tables import TIMES
from chronotick.lab.traces.wanted import Wanted

UNITS = {"_s": "s", "_ms": "ms", "_us": "us", "_ns": "ns", "_ppm": "ppm", "_ppb": "ppb"}
PER_SECOND = {"ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
OFFSET = "offset"
IDS = ("unique_id", "item_id", "id")  # Nixtla, AutoGluon, fev
INSTANTS = ("ds", "timestamp")
VALUES = ("y", "target")
CLOCK_QUANTITIES = ("t_local", "t", OFFSET, "delay", "uncertainty")
SEPARATORS = ";\t|"


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Which columns of a table make a series.

    Attributes:
        time, value: their names.
        unit: of the values, if the name of the column tells it.
        name: of the column that tells series apart; empty: there is one.
        said: of the columns host, unit, kind and truth those that are there.
    """

    time: str
    value: str
    unit: str
    name: str
    said: frozenset[str]


def quantity(column: str) -> tuple[str, str]:
    """Split the name of a column into what it holds and in which unit (empty: not told)."""
    for ending, unit in UNITS.items():
        if column.endswith(ending) and column != ending:
            return column.removesuffix(ending), unit
    return column, ""


def clock_or_series(names: Sequence[str], wanted: Wanted) -> Columns | None:
    """Return the columns of a series; ``None``: it is a clock's table.

    Raises:
        CellError: it is neither, or does not tell its unit unambiguously.
    """
    if len(names) == 1 and any(mark in names[0] for mark in SEPARATORS):
        raise CellError("its columns must be separated by commas; here something else does it")
    chosen = _chosen(names, wanted)
    if chosen is None and {OFFSET} & {quantity(name)[0] for name in names}:
        for what in CLOCK_QUANTITIES:
            only_column(names, what)
        return None
    value = chosen or first_column(names, VALUES)
    time = first_column(names, (*INSTANTS, "t_local", "t"))
    if value is None or time is None:
        raise CellError(_neither(names, wanted, time=time is not None))
    if quantity(time)[1] in PER_SECOND:
        factor, right = PER_SECOND[quantity(time)[1]], f"{quantity(time)[0]}_s"
        raise CellError(f"times must be in s: divide them by {factor} and call it {right}", time)
    return Columns(
        time=time,
        value=value,
        unit=quantity(value)[1],
        name=next((name for name in IDS if name in names), ""),
        said=frozenset({"host", "unit", "kind", "truth"} & set(names)),
    )


def _chosen(names: Sequence[str], wanted: Wanted) -> str | None:
    """The column that the caller named, or the series' own where it is no clock's table."""
    if wanted.value is not None and wanted.value in names:
        return wanted.value
    if wanted.value is not None and (named := only_column(names, wanted.value)):
        return named
    if wanted.kind == "series" and (offset := only_column(names, OFFSET)):
        return offset
    return first_column(names, VALUES) if first_column(names, INSTANTS) else None


def first_column(names: Collection[str], quantities: Sequence[str]) -> str | None:
    """The column of the first of several quantities that has one.

    Raises:
        CellError: it has several.
    """
    return next((found for what in quantities if (found := only_column(names, what))), None)


def only_column(names: Collection[str], what: str) -> str | None:
    """The column that holds a quantity, with or without a unit in its name.

    Raises:
        CellError: several do, in different units.
    """
    found = [name for name in names if quantity(name)[0] == what or name == what]
    if len(found) > 1:
        told = " and ".join(found)
        raise CellError(f"{told}: one quantity in two units. Take one of the columns out", what)
    return found[0] if found else None


def _neither(names: Sequence[str], wanted: Wanted, *, time: bool) -> str:
    has = ", ".join(filter(None, names))[:200]
    if not time:
        return f"no column is a time (t_local_s, t_s or ds). It has {has}"
    passed = {*TIMES, *INSTANTS, *IDS, "source", "host", "unit", "kind", "truth"}
    others = [name for name in names if name and name not in passed]
    if wanted.value is not None:
        return f"has no column {wanted.value}, but {has}"
    if not others:
        return f"has no column of values, but {has}"
    return (
        "is neither a clock (t_local_s or t_s, and offset_s) nor a series (ds and y). "
        f"Say which column holds the values, as in --value {others[0]}. It has {has}"
    )
