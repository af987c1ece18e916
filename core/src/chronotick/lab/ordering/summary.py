"""What a study came to in a few sentences: on a terminal, and at the head of its page."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from chronotick.lab.ordering.bootstrap import Ranged
from chronotick.lab.ordering.scores import IntervalScore
from chronotick.lab.ordering.study import Study

OURS = ("kalman", "zoo")
"""Methods that are told in sentences, if they are there: the daemon's own."""
APART_S = 1e-3  # a separation at which it is told how often the order is unknown
ONE_DECIMAL = 0.995  # per cent, from which on that is enough

Times = Callable[[float], str]


def sentences(study: Study, times: Times) -> list[str]:
    """Return what came out in two or three sentences.

    Args:
        study: it.
        times: writes a time in s.
    """
    methods = _told_of(study)
    if not methods:
        return ["No method has a definite answer: none knows its error well enough."]
    level, bound = sure_level(study), study.levels[-1]
    allowed = percent(study.settings.nominal[study.levels.index(level)])
    orders = (
        f"At confidence {level}, which allows {allowed}% of all pairs to be answered falsely, the "
        f"order is known of {_answers(study, methods, level)}. By hard bounds, it is known of "
        f"{_answers(study, methods, bound)}."
    )
    waits = (
        f"Commit-wait at {level}, in the median: until an event's own node knows that it is past, "
        f"{_waits(study, methods, level, 'own_wait_s', times)}; until every node knows, "
        f"{_waits(study, methods, level, 'wait_s', times)}."
    )
    return [orders, _unknown(study, methods, level, times), waits]


def sure_level(study: Study) -> str:
    """Name of the highest confidence."""
    return study.levels[-2]


def decided(study: Study, level: str) -> list[str]:
    """Methods that have a definite answer at a level."""
    return [method for method in study.methods if study.score(method, level).definite.value > 0]


def answering(study: Study) -> list[IntervalScore]:
    """Scores of the methods and levels that have a definite answer."""
    return [each for each in study.intervals if each.definite.value > 0]


def undecided(study: Study) -> str:
    """Return which methods have no definite answer at which levels, in a sentence, or nothing."""
    told = []
    for method in study.methods:
        levels = [level for level in study.levels if method not in decided(study, level)]
        if levels:
            whole = len(levels) == len(study.levels)
            told.append(f"{method} ({'all levels' if whole else ', '.join(levels)})")
    if not told:
        return ""
    return f"All answers are unknown, and not shown any further, of {_listed(told)}."


def percent(share: float) -> str:
    """Two digits of what is small, one decimal of the rest."""
    value = share * 100.0
    return f"{value:.1f}" if value >= ONE_DECIMAL or not value else f"{value:.2g}"


def _told_of(study: Study) -> list[str]:
    """Ours, or else the one with the most answers."""
    there = decided(study, sure_level(study)) or decided(study, study.levels[-1])
    ours = [method for method in there if method in OURS]
    by_answers = sorted(
        there, key=lambda method: study.score(method, sure_level(study)).definite.value
    )
    return ours or by_answers[-1:]


def _answers(study: Study, methods: Sequence[str], level: str) -> str:
    scores = [study.score(method, level) for method in methods]
    return _listed(
        [f"{percent(each.definite.value)}% with {each.method} ({_false(each)})" for each in scores]
    )


def _false(score: IntervalScore) -> str:
    if not score.false_orders:
        return "none false"
    more = ", more than allowed" if score.false_of_all.value > score.nominal else ""
    return f"{percent(score.false_of_all.value)}% false{more}"


def _unknown(study: Study, methods: Sequence[str], level: str, times: Times) -> str:
    limits = study.separations_s
    inner = np.searchsorted(limits[1:-1], APART_S * (1 + 1e-9), side="right")
    low, high = (float(f"{limits[inner + end]:.2g}") for end in (0, 1))
    shares = (study.score(each, level).unknown_by_separation[inner] for each in methods)
    told = [
        f"{'-' if math.isnan(share.value) else percent(share.value) + '%'} with {method}"
        for method, share in zip(methods, shares, strict=True)
    ]
    return (
        f"Of events {times(low)} to {times(high)} apart, the order is unknown of {_listed(told)}."
    )


def _waits(study: Study, methods: Sequence[str], level: str, name: str, times: Times) -> str:
    medians: list[tuple[str, Ranged]] = [
        (method, getattr(study.score(method, level), name)[0]) for method in methods
    ]
    told = {
        method: "for ever" if math.isinf(wait.value) else times(wait.value)
        for method, wait in medians
    }
    return _listed([f"{wait} with {method}" for method, wait in told.items()])


def _listed(parts: Sequence[str]) -> str:
    *others, last = parts
    return f"{', '.join(others)} and {last}" if others else last
