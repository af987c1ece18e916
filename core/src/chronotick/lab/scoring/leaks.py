"""Which models have seen which traces when they were trained."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import PurePath

import numpy as np
import pandas as pd

from chronotick.lab.scoring.columns import Flags

Leaked = Mapping[str, Collection[str]]


def leaks(
    trained_on: Mapping[str, Iterable[str]], known_as: Mapping[str, Iterable[str]]
) -> dict[str, frozenset[str]]:
    """Find the traces that models say they were trained on.

    Upper and lower case, and ``-``, ``_``, ``.`` and blanks, are the same; of ``owner/name`` the
    name alone counts as well: rather a trace flagged that only shares a name than one missed.
    Nothing is known of a model that states nothing.

    Args:
        trained_on: model to the data sets it has seen.
        known_as: trace to the names it goes by: see :func:`names_of`.

    Returns:
        Model to the traces it has seen; models that have seen none are not in it.
    """
    names = {trace: _folded(each) for trace, each in known_as.items()}
    found = {}
    for model, sets in trained_on.items():
        seen = _folded(sets)
        traces = frozenset(trace for trace, own in names.items() if own & seen)
        if traces:
            found[model] = traces
    return found


def names_of(name: str, path: str = "", digest: str = "") -> frozenset[str]:
    """Return the names a trace goes by: its own, every folder above it, its file, its digest.

    Args:
        name: of the trace.
        path: where it was read.
        digest: of its values, hexadecimal.
    """
    parts = PurePath(path).parts
    stems = {part.split(".", 1)[0] for part in parts[-1:]}
    return frozenset({name, digest, *parts, *stems} - {"", "/", "."})


def flags(scores: pd.DataFrame, leaked: Leaked) -> Flags:
    """Whether the model of each score has seen its trace."""
    pairs = zip(scores["model"], scores["trace"], strict=True)
    return np.array([trace in leaked.get(model, ()) for model, trace in pairs], dtype=np.bool_)


def _folded(names: Iterable[str]) -> set[str]:
    folded = {re.sub(r"[-_.\s]+", "-", name.casefold()).strip("-") for name in names}
    return (folded | {name.rpartition("/")[2] for name in folded}) - {""}
