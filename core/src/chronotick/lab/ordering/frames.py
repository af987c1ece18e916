"""A study as tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

import numpy as np
import pandas as pd

from chronotick.lab.ordering.bootstrap import Ranged
from chronotick.lab.ordering.scores import WAIT_QUANTILES
from chronotick.lab.ordering.study import Study
from chronotick.lab.ordering.verdicts import Verdicts, verdicts

ENDS = ("value", "low", "high")


def event_rows(study: Study) -> pd.DataFrame:
    """One row for each pair of events and method.

    Columns: ``method``, ``first_node``, ``second_node``, ``first_s`` (true time of the earlier
    event), ``separation_s``, ``gap_s`` (between the corrected stamps), ``first_error_s``,
    ``second_error_s``; and for each level ``first_half_LEVEL_s``, ``second_half_LEVEL_s``
    (infinite: no interval) and ``order_LEVEL`` (1 before, which is right; -1 after; 0 unknown).
    """
    return pd.concat([_events_of(study, method) for method in study.methods], ignore_index=True)


def wait_rows(study: Study) -> pd.DataFrame:
    """One row for each event that was waited for, method and level.

    Columns: ``method``, ``level``, ``node``, ``own_wait_s``, ``early`` and ``wait_s`` (infinite:
    for ever).
    """
    return pd.concat(list(_waits(study)), ignore_index=True)


def score_rows(study: Study) -> pd.DataFrame:
    """One row for each method and level: its `IntervalScore`, flat; separations are left out."""
    rows = []
    for score in study.intervals:
        plain = {"method": score.method, "level": score.level, "nominal": score.nominal}
        plain |= {"false_orders": score.false_orders, "half_s": score.half_s}
        rows.append(plain | _shares(study, score.method, score.level))
    return pd.DataFrame(rows)


def separation_rows(study: Study) -> pd.DataFrame:
    """One row for each method, level and bin of separation.

    Columns: ``method``, ``level``, ``from_s``, ``to_s``, and ``unknown``, ``false`` (among definite
    answers), each with ``_low`` and ``_high``.
    """
    limits = study.separations_s
    return pd.DataFrame(
        {"method": score.method, "level": score.level, "from_s": low, "to_s": high}
        | _flat("unknown", unknown)
        | _flat("false", false)
        for score in study.intervals
        for low, high, unknown, false in zip(
            limits[:-1],
            limits[1:],
            score.unknown_by_separation,
            score.false_by_separation,
            strict=True,
        )
    )


def _events_of(study: Study, method: str) -> pd.DataFrame:
    events, stamped = study.events, study.stamped[method]
    names = np.array([node.name for node in study.nodes])
    columns = {
        "method": method,
        "first_node": names[events.first_node],
        "second_node": names[events.second_node],
        "first_s": events.first_ns * 1e-9,
        "separation_s": events.separation_s,
        "gap_s": stamped.gap_ns * 1e-9,
        "first_error_s": stamped.first.error_ns * 1e-9,
        "second_error_s": stamped.second.error_ns * 1e-9,
    }
    for level, judged in _judged(study, method):
        first, second = judged.half_ns * 1e-9
        columns |= {f"first_half_{level}_s": first, f"second_half_{level}_s": second}
        columns[f"order_{level}"] = judged.order
    return pd.DataFrame(columns)


def _waits(study: Study) -> Iterator[pd.DataFrame]:
    names = np.array([node.name for node in study.nodes])
    stamped_on = names[study.events.first_node[: study.settings.waits]]
    for method in study.methods:
        for level, judged in _judged(study, method):
            yield pd.DataFrame(
                {
                    "method": method,
                    "level": level,
                    "node": stamped_on,
                    "own_wait_s": judged.own_wait_ns * 1e-9,
                    "early": judged.early,
                    "wait_s": judged.wait_ns * 1e-9,
                }
            )


def _judged(study: Study, method: str) -> Iterator[tuple[str, Verdicts]]:
    for column, level in enumerate(study.levels):
        yield level, verdicts(study.stamped[method], column)


def _shares(study: Study, method: str, level: str) -> dict[str, float]:
    score = study.score(method, level)
    flat: dict[str, float] = {}
    for name in ("definite", "false", "false_of_all", "missed", "early"):
        flat |= _flat(name, getattr(score, name))
    for name in ("own_wait_s", "wait_s"):
        for quantile, ranged in zip(WAIT_QUANTILES, getattr(score, name), strict=True):
            flat |= _flat(f"{name.removesuffix('_s')}_q{quantile:g}_s", ranged)
    return flat


def _flat(name: str, ranged: Ranged) -> dict[str, float]:
    values = asdict(ranged)
    return {name if end == "value" else f"{name}_{end}": values[end] for end in ENDS}
