"""A study as the tables of its page."""

from __future__ import annotations

import math

from chronotick.lab.ordering.bootstrap import Ranged
from chronotick.lab.ordering.scores import IntervalScore
from chronotick.lab.ordering.study import Study
from chronotick.lab.ordering.summary import answering, percent
from chronotick.lab.reporting.quantities import UNKNOWN, count, quantity
from chronotick.lab.reporting.tables import Cell, Table, cell

_TEXTS = frozenset({"node", "method", "level"})


def nodes_table(study: Study) -> Table:
    """Return what each node has measured."""
    rows = [
        [
            cell(node.name),
            _count(len(node.recording.arrivals)),
            _count(len(node.recording.counts)),
            *(cell(f"{each * 1e-9:.0f} s", each * 1e-9) for each in node.seen_ns),
        ]
        for node in study.nodes
    ]
    columns = ("node", "measurements", "sources", "from", "to")
    return _table("From and to: true time in which the node can be asked.", columns, rows)


def points_table(study: Study) -> Table:
    """Return how often corrected stamps alone are in the wrong order."""
    rows = [
        [cell(each.method), _share(each.wrong), _time(each.rms_s), _time(each.p95_s)]
        for each in study.points
    ]
    caption = "Wrong: of all pairs. Errors: of the corrected stamps against true time."
    return _table(caption, ("method", "wrong order", "RMS error", "p95 error"), rows)


def orders_table(study: Study) -> Table:
    """Return definite and false answers."""
    columns = ("nominal", "definite", "false", "false orders", "false of all", "missed")
    caption = (
        "Nominal: false orders among all pairs that the level allows, to be held against false of "
        "all. False: among definite answers. Missed: stamps whose interval does not hold true time."
    )
    rows = [
        [
            *_named(each),
            cell(f"{percent(each.nominal)} %", each.nominal),
            *(_share(share) for share in (each.definite, each.false)),
            _count(each.false_orders),
            *(_share(share) for share in (each.false_of_all, each.missed)),
            _time(each.half_s),
        ]
        for each in answering(study)
    ]
    return _table(caption, ("method", "level", *columns, "median half-width"), rows)


def unknown_table(study: Study) -> Table:
    """Return unknown orders by separation."""
    limits = [quantity(float(f"{each:.2g}"), "s") for each in study.separations_s[:-1]]
    rows = [
        [*_named(each), *(_share(share, bracketed=False) for share in each.unknown_by_separation)]
        for each in answering(study)
    ]
    caption = (
        "Share of unknown orders in bins of true separation, each from what its title says on."
    )
    return _table(caption, ("method", "level", *limits), rows)


def waits_table(study: Study) -> Table:
    """Return how long a commit waits."""
    rows = [
        [
            *_named(each),
            *(_ranged(wait) for wait in each.own_wait_s),
            _share(each.early),
            *(_ranged(wait) for wait in each.wait_s),
        ]
        for each in answering(study)
    ]
    caption = (
        "Own: until an event's own node knows that it is past. Too early: waits after which its "
        "latest time was not really past. Every: until every node knows."
    )
    columns = ("own, median", "own, p99", "too early", "every, median", "every, p99")
    return _table(caption, ("method", "level", *columns), rows)


def _table(caption: str, columns: tuple[str, ...], rows: list[list[Cell]]) -> Table:
    numeric = frozenset(columns) - _TEXTS
    return Table(caption=caption, columns=columns, rows=rows, numeric=numeric)


def _named(score: IntervalScore) -> list[Cell]:
    return [cell(score.method), cell(score.level)]


def _count(counted: int) -> Cell:
    return cell(count(counted), float(counted))


def _share(share: Ranged, *, bracketed: bool = True) -> Cell:
    if math.isnan(share.value):
        return cell(UNKNOWN, share.value)
    told = f"{percent(share.value)} %"
    if bracketed and not math.isnan(share.low):
        told += f" [{percent(share.low)}, {percent(share.high)}]"
    return cell(told, share.value)


def _ranged(wait: Ranged) -> Cell:
    told = _told(wait.value)
    if not math.isnan(wait.low):
        told += f" [{_told(wait.low)}, {_told(wait.high)}]"
    return cell(told, wait.value)


def _time(value_s: float) -> Cell:
    return cell(_told(value_s), value_s)


def _told(value_s: float) -> str:
    return "never" if math.isinf(value_s) else quantity(value_s, "s")
