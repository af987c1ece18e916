"""What ``chronotick lab order`` says of a study."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from chronotick.cli.output import seconds, table, wrapped

if TYPE_CHECKING:
    from chronotick.lab.ordering import IntervalScore, Ranged, Study


def show(study: Study) -> None:
    """Print the tables of a study."""
    click.echo("\n\n".join(_parts(study)))


def _parts(study: Study) -> Iterator[str]:
    settings, (first_ns, last_ns) = study.settings, study.span_ns
    pairs = len(study.events.pairs)
    yield wrapped(
        f"{len(study.nodes)} nodes ({pairs} pair{'s' if pairs > 1 else ''}), {settings.events} "
        f"pairs of events {seconds(settings.least_s)} to {seconds(settings.most_s)} apart, within "
        f"{(last_ns - first_ns) * 1e-9:.0f} s of true time. In brackets: bootstrap intervals of "
        "95 % over node pairs."
    )
    yield _summary(study)
    yield _nodes(study)
    yield "Corrected stamps compared\n" + _points(study)
    yield "Intervals compared: false orders among definite answers\n" + _false(study)
    yield "Unknown by true separation, from ... on\n" + _unknown(study)
    yield "Commit-wait: until an event's own node knows that it is past\n" + _own_waits(study)
    yield "Until every node knows\n" + _waits(study)
    if study.notes:
        yield "\n".join(wrapped(f"note: {note}", 2) for note in study.notes)


def _summary(study: Study) -> str:
    from chronotick.lab.ordering.summary import sentences, undecided

    told = [*sentences(study, seconds), undecided(study)]
    return "\n".join(wrapped(each, 0) for each in told if each)


def _nodes(study: Study) -> str:
    rows = [
        (
            node.name,
            len(node.recording.arrivals),
            len(node.recording.counts),
            *(f"{each * 1e-9:.0f} s" for each in node.seen_ns),
        )
        for node in study.nodes
    ]
    return table(rows, ("NODE", "MEASUREMENTS", "SOURCES", "FROM", "TO"))


def _points(study: Study) -> str:
    rows = [
        (each.method, _share(each.wrong), seconds(each.rms_s), seconds(each.p95_s))
        for each in study.points
    ]
    return table(rows, ("METHOD", "WRONG ORDER", "RMS ERROR", "P95 ERROR"))


def _false(study: Study) -> str:
    rows = [
        (
            each.method,
            each.level,
            f"{each.nominal:.3g}",
            _share(each.false),
            each.false_orders,
            _plain(each.false_of_all),
            _share(each.definite),
            _plain(each.missed),
            seconds(each.half_s),
        )
        for each in _answering(study)
    ]
    header = ("NOMINAL", "FALSE", "COUNT", "OF ALL", "DEFINITE", "MISSED", "HALF-WIDTH")
    return table(rows, ("METHOD", "LEVEL", *header))


def _unknown(study: Study) -> str:
    rows = [
        (each.method, each.level, *map(_plain, each.unknown_by_separation))
        for each in _answering(study)
    ]
    limits = [_brief(each) for each in study.separations_s[:-1]]
    return table(rows, ("METHOD", "LEVEL", *limits))


def _own_waits(study: Study) -> str:
    rows = [
        (each.method, each.level, *map(_time, each.own_wait_s), _plain(each.early))
        for each in _answering(study)
    ]
    return table(rows, ("METHOD", "LEVEL", "MEDIAN", "P99", "TOO EARLY"))


def _waits(study: Study) -> str:
    rows = [(each.method, each.level, *map(_time, each.wait_s)) for each in _answering(study)]
    return table(rows, ("METHOD", "LEVEL", "MEDIAN", "P99"))


def _answering(study: Study) -> list[IntervalScore]:
    """Without those all of whose answers are unknown: the summary says which."""
    from chronotick.lab.ordering.summary import answering

    return answering(study)


def _brief(value_s: float) -> str:
    """A time in few characters: ``32us``."""
    digits, _, unit = f"{seconds(float(f'{value_s:.1e}'))}".partition(" ")
    return digits + unit


def _plain(ranged: Ranged) -> str:
    return "-" if math.isnan(ranged.value) else _percent(ranged.value) + "%"


def _percent(share: float) -> str:
    from chronotick.lab.ordering.summary import percent

    return percent(share)


def _share(ranged: Ranged) -> str:
    if math.isnan(ranged.low):
        return _plain(ranged)
    return f"{_plain(ranged)} [{_percent(ranged.low)}, {_percent(ranged.high)}]"


def _time(ranged: Ranged) -> str:
    if math.isnan(ranged.low):
        return _short(ranged.value)
    return f"{_short(ranged.value)} [{_short(ranged.low)}, {_short(ranged.high)}]"


def _short(value_s: float) -> str:
    return "never" if math.isinf(value_s) else seconds(value_s)
